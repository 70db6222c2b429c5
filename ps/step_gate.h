#pragma once
#include <cstdint>
#include <map>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "common/status.h"

namespace freshet::ps {

// Bulk-synchronous order: the pushes of a step go on together, in the order of workers, when all
// workers that still train have pushed it; pulls of a step go on after the step before.
//
// The bound of what is held: a worker's pushes by AppliedPushes, its pulls by kMaxHeldPulls.
// Thread-safety: none; the session's lock guards it.
class StepGate {
 public:
  // Called with OK when it may go on, or with the reason why it never will.
  using Action = absl::AnyInvocable<void(Status)>;

  static constexpr uint32_t kMaxHeldPulls = 64;

  explicit StepGate(uint32_t workers) : workers_(workers) {}

  // InvalidArgument: the worker cannot push this step any more, or has pushed it already.
  // `leaves`: the push is empty and the worker's last.
  Status CheckPush(uint32_t worker, uint64_t step, bool leaves) const;

  // Holds a push. `last`: the worker pushes no later step.
  void HoldPush(uint32_t worker, uint64_t step, bool last, Action action);

  // The worker pushes neither this step nor a later one.
  void Leave(uint32_t worker, uint64_t step);

  // InvalidArgument: no such worker. ResourceExhausted: it has too many pulls ahead already.
  Status CheckPull(uint32_t worker) const;
  void HoldPull(uint32_t worker, uint64_t step, Action action);

  // What may go on now, in this order.
  std::vector<Action> Release();

  // Everything held.
  std::vector<Action> TakeAll();

 private:
  struct Worker {
    uint64_t last_step = UINT64_MAX;
    std::map<uint64_t, Action> pushes;  // by step, all after released_
    uint32_t pulls = 0;
  };

  struct Pull {
    uint32_t worker = 0;
    Action action;
  };

  // The pushes of the step after released_ have all come.
  bool NextStepIsWhole() const;
  void ReleasePulls(std::vector<Action>& released);

  std::vector<Worker> workers_;
  std::multimap<uint64_t, Pull> pulls_;  // by step, then as they came
  uint64_t released_ = 0;                // the last step whose pushes went on
};

}  // namespace freshet::ps
