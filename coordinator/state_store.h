#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/ids.h"
#include "common/status.h"

namespace freshet::coordinator {

// Something that an operator may ask about later.
struct Event {
  int64_t unix_ms = 0;
  std::string kind;  // epoch, rewind, cut_failed, rollback, delete, refused
  std::string text;
};

// The little that the coordinator must not forget and the version log does not hold: an embedded
// RocksDB. Losing it is no disaster: epochs and numbers are also taken from the log and from the
// members. Thread-safety: any thread, but one that stores.
class StateStore {
 public:
  // Creates the directory. FailedPrecondition: cannot be opened, for instance because another
  // coordinator has it open.
  static StatusOr<std::unique_ptr<StateStore>> Open(const std::string& directory);
  ~StateStore();

  // The largest epoch begun; survives a crash once stored.
  StatusOr<Epoch> LastEpoch() const;
  Status StoreEpoch(Epoch epoch);

  // The largest version number handed out, committed or not; survives a crash once stored.
  StatusOr<VersionId> LastVersion() const;
  Status StoreVersion(VersionId version);

  // Keeps the newest kEventsKept. Not synced: events are a help, not state.
  Status Record(const Event& event);
  // The newest `count`, oldest first.
  StatusOr<std::vector<Event>> RecentEvents(size_t count) const;

  static constexpr uint64_t kEventsKept = 1000;

 private:
  struct Impl;
  explicit StateStore(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace freshet::coordinator
