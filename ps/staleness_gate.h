#pragma once
#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "common/status.h"

namespace freshet::ps {

// Bounded staleness (Ho et al. 2013): pushes go on as they come, and a pull of step t when every
// worker that still pushes has pushed all of its steps up to t - 1 - staleness: nobody is more than
// `staleness` whole steps ahead of another, and what a pull lacks of the others' pushes are these.
//
// Pulls held are bounded by kMaxHeldPulls for each worker.
// Thread-safety: none; the session's lock guards it.
class StalenessGate {
 public:
  // Called with OK when it may go on, or with the reason why it never will.
  using Action = absl::AnyInvocable<void(Status)>;

  static constexpr uint32_t kMaxHeldPulls = 64;
  static constexpr uint64_t kNobodyPushes = UINT64_MAX;

  StalenessGate(uint32_t workers, uint64_t staleness) : staleness_(staleness), workers_(workers) {}

  // InvalidArgument: the step is further ahead than pushes may overtake each other. So many steps
  // at most are remembered.
  Status CheckPush(uint32_t worker, uint64_t step) const;

  // The worker has pushed the step. Steps may come out of order, when a push was repeated.
  void Pushed(uint32_t worker, uint64_t step);

  // The worker pushes no more.
  void Leave(uint32_t worker);

  // InvalidArgument: no such worker.
  Status CheckPull(uint32_t worker) const;

  // Holds a pull. Returns the one that the worker has waited for the longest, if it has too many:
  // it will have asked again.
  std::optional<Action> HoldPull(uint32_t worker, uint64_t step, Action action);

  // What may go on now.
  std::vector<Action> Release();

  // Everything held.
  std::vector<Action> TakeAll();

  // All workers that still push have pushed all steps up to this one; kNobodyPushes without any.
  uint64_t oldest() const;

 private:
  struct Worker {
    uint64_t pushed = 0;        // and all before
    std::set<uint64_t> beyond;  // further steps, with some missing in between
    bool left = false;
  };

  struct Pull {
    uint32_t worker = 0;
    uint64_t step = 0;
    Action action;
  };

  const uint64_t staleness_;
  std::vector<Worker> workers_;
  std::vector<Pull> pulls_;  // as they came
};

}  // namespace freshet::ps
