#include "worker/assignment.h"

#include <algorithm>
#include <utility>

#include "common/mutant.h"

namespace freshet::worker {

StatusOr<std::vector<std::string>> Assignment::Update(const std::vector<std::string>& names) {
  std::vector<std::string> added;
  std::set_difference(
      names.begin(), names.end(), known_.begin(), known_.end(), std::back_inserter(added));
  if (!added.empty() && !known_.empty() && added.front() < known_.back()) {
    return FailedPrecondition(
        "partition {} appeared and sorts before {}, which is being read: the names of new "
        "partitions must sort behind the old ones; partitions are dealt out anew",
        added.front(),
        known_.back());
  }
  std::vector<std::string> own;
  for (std::string& name : added) {
    if (known_.size() % workers_ == worker_) {
      own.push_back(name);
    }
    known_.push_back(std::move(name));
  }
  return own;
}

PositionsByName StoredPositions(const std::vector<proto::WorkerState>& states) {
  PositionsByName stored;
  for (const proto::WorkerState& state : states) {
    for (const proto::StreamPosition& position : state.positions()) {
      stored[position.partition()] = PartitionState{.offset = position.offset(),
                                                    .samples = position.samples(),
                                                    .bad_samples = position.bad_samples(),
                                                    .finished = position.finished(),
                                                    .skipped_samples = position.skipped_samples(),
                                                    .pass = position.pass()};
    }
  }
  return stored;
}

StreamState RestorePositions(const std::vector<std::string>& names,
                             uint32_t worker,
                             uint32_t workers,
                             const std::vector<proto::WorkerState>& states) {
  PositionsByName stored = StoredPositions(states);
  std::string next;
  for (const proto::WorkerState& state : states) {
    if (state.worker() == worker && states.size() == workers &&
        state.next_partition() < static_cast<uint32_t>(state.positions_size())) {
      next = state.positions(static_cast<int>(state.next_partition())).partition();
    }
  }
  StreamState restored;
  restored.names = std::make_shared<const std::vector<std::string>>(names);
  for (const std::string& name : names) {
    restored.partitions.push_back(stored[name]);
    if (Mutant("worker_forgets_a_position") && &name == &names.back()) {
      restored.partitions.back() = {};
    }
  }
  const auto turn = std::find(names.begin(), names.end(), next);
  restored.next = turn == names.end() ? 0 : static_cast<uint32_t>(turn - names.begin());
  return restored;
}

}  // namespace freshet::worker
