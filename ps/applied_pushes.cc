#include "ps/applied_pushes.h"

#include <iterator>
#include <utility>

#include "common/check.h"

namespace freshet::ps {
namespace {

// Repetitions of one push that are kept waiting; a client has given up on all but the last.
constexpr size_t kMaxWaiting = 8;

}  // namespace

StatusOr<AppliedPushes::Seen> AppliedPushes::Find(uint32_t worker, uint64_t sequence) const {
  if (worker >= workers_.size()) {
    return InvalidArgument("worker {}: this epoch has {} workers", worker, workers_.size());
  }
  const Worker& of = workers_[worker];
  if (sequence == 0) {
    return InvalidArgument("push 0 of worker {}: sequences begin at 1", worker);
  }
  if (sequence <= of.low) {
    return Seen::kApplied;
  }
  if (sequence > of.low + kMaxPushesInFlight) {
    return InvalidArgument(
        "push {} of worker {}: push {} is not applied yet, and at most {} may be in flight",
        sequence,
        worker,
        of.low + 1,
        uint32_t{kMaxPushesInFlight});
  }
  return of.above[sequence % of.above.size()].seen;
}

void AppliedPushes::Begin(uint32_t worker, uint64_t sequence, Done done) {
  Push& push = workers_[worker].at(sequence);
  FRESHET_CHECK(push.seen == Seen::kNever);
  push.seen = Seen::kInProgress;
  push.waiting.push_back(std::move(done));
}

std::optional<AppliedPushes::Done> AppliedPushes::Wait(uint32_t worker,
                                                       uint64_t sequence,
                                                       Done done) {
  Push& push = workers_[worker].at(sequence);
  FRESHET_CHECK(push.seen == Seen::kInProgress);
  push.waiting.push_back(std::move(done));
  if (push.waiting.size() <= kMaxWaiting) {
    return std::nullopt;
  }
  Done oldest = std::move(push.waiting.front());
  push.waiting.erase(push.waiting.begin());
  return oldest;
}

std::vector<AppliedPushes::Done> AppliedPushes::Finish(uint32_t worker, uint64_t sequence) {
  Worker& of = workers_[worker];
  Push& push = of.at(sequence);
  FRESHET_CHECK(push.seen == Seen::kInProgress);
  push.seen = Seen::kApplied;
  std::vector<Done> waiting = std::exchange(push.waiting, {});
  while (of.at(of.low + 1).seen == Seen::kApplied) {
    ++of.low;
    of.at(of.low).seen = Seen::kNever;
  }
  return waiting;
}

std::vector<AppliedPushes::Done> AppliedPushes::TakeAll() {
  std::vector<Done> all;
  for (Worker& worker : workers_) {
    for (Push& push : worker.above) {
      std::move(push.waiting.begin(), push.waiting.end(), std::back_inserter(all));
      push.waiting.clear();
    }
  }
  return all;
}

}  // namespace freshet::ps
