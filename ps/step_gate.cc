#include "ps/step_gate.h"

#include <algorithm>
#include <utility>

namespace freshet::ps {

Status StepGate::CheckPush(uint32_t worker, uint64_t step, bool leaves) const {
  const Worker& of = workers_[worker];
  if (leaves) {
    const bool pushed_later = !of.pushes.empty() && of.pushes.rbegin()->first >= step;
    return pushed_later
               ? InvalidArgument("worker {} leaves at step {}, but has pushed step {} already",
                                 worker,
                                 step,
                                 of.pushes.rbegin()->first)
               : absl::OkStatus();
  }
  if (step > of.last_step) {
    return InvalidArgument(
        "step {} of worker {}: step {} was its last", step, worker, of.last_step);
  }
  if (step <= released_) {
    return InvalidArgument(
        "step {} of worker {}: step {} has been applied already", step, worker, released_);
  }
  if (of.pushes.count(step) > 0) {
    return InvalidArgument("step {} of worker {}: it has pushed this step already", step, worker);
  }
  return absl::OkStatus();
}

void StepGate::HoldPush(uint32_t worker, uint64_t step, bool last, Action action) {
  Worker& of = workers_[worker];
  of.pushes.emplace(step, std::move(action));
  if (last) {
    of.last_step = step;
  }
}

void StepGate::Leave(uint32_t worker, uint64_t step) {
  workers_[worker].last_step = step == 0 ? 0 : step - 1;
}

Status StepGate::CheckPull(uint32_t worker) const {
  if (worker >= workers_.size()) {
    return InvalidArgument("worker {}: this epoch has {} workers", worker, workers_.size());
  }
  if (workers_[worker].pulls == kMaxHeldPulls) {
    return ResourceExhausted("worker {} has {} pulls waiting for step {} to be applied",
                             worker,
                             uint32_t{kMaxHeldPulls},
                             released_ + 1);
  }
  return absl::OkStatus();
}

void StepGate::HoldPull(uint32_t worker, uint64_t step, Action action) {
  ++workers_[worker].pulls;
  pulls_.emplace(step, Pull{.worker = worker, .action = std::move(action)});
}

bool StepGate::NextStepIsWhole() const {
  const uint64_t next = released_ + 1;
  return std::all_of(workers_.begin(), workers_.end(), [next](const Worker& worker) {
    return next > worker.last_step || worker.pushes.count(next) > 0;
  });
}

void StepGate::ReleasePulls(std::vector<Action>& released) {
  while (!pulls_.empty() && pulls_.begin()->first <= released_ + 1) {
    Pull& pull = pulls_.begin()->second;
    --workers_[pull.worker].pulls;
    released.push_back(std::move(pull.action));
    pulls_.erase(pulls_.begin());
  }
}

std::vector<StepGate::Action> StepGate::Release() {
  std::vector<Action> released;
  ReleasePulls(released);
  while (NextStepIsWhole()) {
    if (std::all_of(workers_.begin(), workers_.end(), [this](const Worker& worker) {
          return worker.last_step <= released_;
        })) {
      released_ = UINT64_MAX - 1;  // nobody trains any more: nothing is waited for
      ReleasePulls(released);
      break;
    }
    ++released_;
    for (Worker& worker : workers_) {
      if (const auto push = worker.pushes.find(released_); push != worker.pushes.end()) {
        released.push_back(std::move(push->second));
        worker.pushes.erase(push);
      }
    }
    ReleasePulls(released);
  }
  return released;
}

std::vector<StepGate::Action> StepGate::TakeAll() {
  std::vector<Action> all;
  for (Worker& worker : workers_) {
    for (auto& [step, action] : worker.pushes) {
      all.push_back(std::move(action));
    }
    worker.pushes.clear();
    worker.pulls = 0;
  }
  for (auto& [step, pull] : pulls_) {
    all.push_back(std::move(pull.action));
  }
  pulls_.clear();
  return all;
}

}  // namespace freshet::ps
