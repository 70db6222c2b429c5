#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/status.h"
#include "common/stream/stream.h"
#include "proto/manifest.pb.h"
#include "worker/stream_state.h"

namespace freshet::worker {

// Which partitions of a stream a worker reads: partition p, in the order of names, belongs to
// worker p mod workers. A new partition must sort behind those known, or it would shift others from
// worker to worker; that is found, and mended by a new session, in which every worker counts anew.
// One thread at a time.
class Assignment {
 public:
  Assignment(uint32_t worker, uint32_t workers) : worker_(worker), workers_(workers) {}

  // The names that are the worker's among those that appeared since the last call. `names` sorted,
  // of the whole stream. FailedPrecondition: a new name sorts before one that was known.
  // A name that is gone, because its file was removed, still counts.
  StatusOr<std::vector<std::string>> Update(const std::vector<std::string>& names);

 private:
  uint32_t worker_;
  uint32_t workers_;
  std::vector<std::string> known_;  // of the whole stream, sorted
};

using PositionsByName = std::map<std::string, PartitionState>;

// What any worker's state says of a partition.
PositionsByName StoredPositions(const std::vector<proto::WorkerState>& states);

// Where a worker begins whose partitions are `names`: at the positions that any worker's state
// has, else at 0. The turn goes on where the worker's own state left it, if it is of the same
// number of workers.
StreamState RestorePositions(const std::vector<std::string>& names,
                             uint32_t worker,
                             uint32_t workers,
                             const std::vector<proto::WorkerState>& states);

}  // namespace freshet::worker
