#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/ids.h"
#include "common/status.h"
#include "proto/manifest.pb.h"

namespace freshet::coordinator {

// Something that an operator may ask about later.
struct Event {
  uint64_t id = 0;  // 1, 2, ...; given when it is recorded
  int64_t unix_ms = 0;
  std::string kind;      // docs/events.md lists them
  uint64_t version = 0;  // 0: it is about none
  std::string text;
};

// The little that the coordinator must not forget and the version log does not hold: an embedded
// RocksDB, and the epoch once more in the file `epoch` beside it, "number checksum". Losing it is
// no disaster: epochs and numbers are also taken from the log and from the members. But the epoch
// never goes back unnoticed: a member that was away would take messages of before for those of
// today. So what is damaged is an error, DataLoss, that tells which file and what to do.
// Thread-safety: any thread; Record by one at a time.
class StateStore {
 public:
  // Creates the directory. FailedPrecondition: cannot be opened, for instance because another
  // coordinator has it open. DataLoss: it is damaged.
  static StatusOr<std::unique_ptr<StateStore>> Open(const std::string& directory);
  ~StateStore();

  // The largest epoch begun; survives a crash once stored, and does not go back by damage.
  StatusOr<Epoch> LastEpoch() const;
  Status StoreEpoch(Epoch epoch);

  // The largest version number handed out, committed or not; survives a crash once stored.
  StatusOr<VersionId> LastVersion() const;
  Status StoreVersion(VersionId version);

  // Keeps the newest kEventsKept. Not synced: events are a help, not state.
  Status Record(const Event& event);
  // The newest `count` that are wanted, oldest first.
  using Wanted = std::function<bool(const Event&)>;
  StatusOr<std::vector<Event>> NewestEvents(size_t count, const Wanted& wanted) const;
  // The first `count` that are wanted and have an id above `after`.
  StatusOr<std::vector<Event>> EventsAfter(uint64_t after,
                                           size_t count,
                                           const Wanted& wanted) const;
  // The largest id; 0: no event yet.
  uint64_t NewestEvent() const;

  // What a version measured (common/report/report.h), also when the version itself is removed.
  // Keeps those of the kScoresKept newest numbers. Not synced: they are a help, not state.
  Status StoreScores(const proto::Manifest& scores);
  // Ascending.
  StatusOr<std::map<VersionId, proto::Manifest>> Scores() const;

  // The id of the last event that a hook was told; 0: of none.
  StatusOr<uint64_t> HookPosition(const std::string& hook) const;
  Status StoreHookPosition(const std::string& hook, uint64_t id);

  static constexpr uint64_t kEventsKept = 100'000;
  static constexpr uint64_t kScoresKept = 100'000;

 private:
  struct Impl;
  explicit StateStore(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace freshet::coordinator
