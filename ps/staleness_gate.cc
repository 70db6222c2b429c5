#include "ps/staleness_gate.h"

#include <algorithm>
#include <utility>

#include "common/cluster/limits.h"

namespace freshet::ps {

Status StalenessGate::CheckPush(uint32_t worker, uint64_t step) const {
  const uint64_t pushed = workers_[worker].pushed;
  if (step > pushed && step - pushed > kMaxPushesInFlight) {
    return InvalidArgument(
        "step {} of worker {}: it has not pushed step {} yet, and at most {} "
        "pushes may be on their way",
        step,
        worker,
        pushed + 1,
        kMaxPushesInFlight);
  }
  return absl::OkStatus();
}

void StalenessGate::Pushed(uint32_t worker, uint64_t step) {
  Worker& of = workers_[worker];
  if (step > of.pushed) {
    of.beyond.insert(step);
  }
  while (!of.beyond.empty() && *of.beyond.begin() == of.pushed + 1) {
    of.beyond.erase(of.beyond.begin());
    ++of.pushed;
  }
}

void StalenessGate::Leave(uint32_t worker) {
  workers_[worker].left = true;
}

Status StalenessGate::CheckPull(uint32_t worker) const {
  if (worker >= workers_.size()) {
    return InvalidArgument("worker {}: this epoch has {} workers", worker, workers_.size());
  }
  return absl::OkStatus();
}

std::optional<StalenessGate::Action> StalenessGate::HoldPull(uint32_t worker,
                                                             uint64_t step,
                                                             Action action) {
  std::optional<Action> oldest;
  const auto of_worker = [worker](const Pull& pull) { return pull.worker == worker; };
  if (std::count_if(pulls_.begin(), pulls_.end(), of_worker) == kMaxHeldPulls) {
    const auto first = std::find_if(pulls_.begin(), pulls_.end(), of_worker);
    oldest = std::move(first->action);
    pulls_.erase(first);
  }
  pulls_.push_back({.worker = worker, .step = step, .action = std::move(action)});
  return oldest;
}

uint64_t StalenessGate::oldest() const {
  uint64_t oldest = kNobodyPushes;
  for (const Worker& worker : workers_) {
    if (!worker.left) {
      oldest = std::min(oldest, worker.pushed);
    }
  }
  return oldest;
}

std::vector<StalenessGate::Action> StalenessGate::Release() {
  const uint64_t pushed = oldest();
  const auto may_go = [&](const Pull& pull) {
    return pushed == kNobodyPushes || pull.step <= pushed + 1 ||
           pull.step - pushed - 1 <= staleness_;
  };
  std::vector<Action> released;
  for (Pull& pull : pulls_) {
    if (may_go(pull)) {
      released.push_back(std::move(pull.action));
    }
  }
  std::erase_if(pulls_, may_go);
  return released;
}

std::vector<StalenessGate::Action> StalenessGate::TakeAll() {
  std::vector<Action> all;
  for (Pull& pull : std::exchange(pulls_, {})) {
    all.push_back(std::move(pull.action));
  }
  return all;
}

}  // namespace freshet::ps
