#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "common/cluster/limits.h"
#include "common/status.h"

namespace freshet::ps {

// Which pushes of each worker have been applied in this epoch, so that each is applied once, and
// who waits for those in progress.
//
// Per worker a low mark, at or below which all are applied, and a ring of the kMaxPushesInFlight
// sequences above it. Thread-safety: none; the session's lock guards it.
class AppliedPushes {
 public:
  using Done = absl::AnyInvocable<void(Status)>;

  enum class Seen { kNever, kInProgress, kApplied };

  explicit AppliedPushes(uint32_t workers) : workers_(workers) {}

  // InvalidArgument: no such worker, or the sequence is 0 or too far ahead.
  StatusOr<Seen> Find(uint32_t worker, uint64_t sequence) const;

  // Remembers a push that was never seen.
  void Begin(uint32_t worker, uint64_t sequence, Done done);

  // `done` too will be told when the push in progress is applied. Returns who has waited for it the
  // longest, if too many do.
  std::optional<Done> Wait(uint32_t worker, uint64_t sequence, Done done);

  // The push is applied. Returns who waited for it.
  std::vector<Done> Finish(uint32_t worker, uint64_t sequence);

  // Everyone who waits, who must be told that the epoch is over.
  std::vector<Done> TakeAll();

 private:
  struct Push {
    Seen seen = Seen::kNever;
    std::vector<Done> waiting;
  };

  struct Worker {
    uint64_t low = 0;
    std::array<Push, kMaxPushesInFlight> above;  // sequence s at s % size

    Push& at(uint64_t sequence) { return above[sequence % above.size()]; }
  };

  std::vector<Worker> workers_;
};

}  // namespace freshet::ps
