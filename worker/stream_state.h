#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace freshet::worker {

// How far one partition has been read. Fields as in proto::StreamPosition.
struct PartitionState {
  uint64_t offset = 0;
  uint64_t samples = 0;
  uint64_t bad_samples = 0;
  bool finished = false;
  uint64_t skipped_samples = 0;
  uint32_t pass = 0;

  friend bool operator==(const PartitionState&, const PartitionState&) = default;
};

// How far the partitions of a worker have been read, as of the end of some batch.
struct StreamState {
  std::shared_ptr<const std::vector<std::string>> names;  // sorted; shared by many states
  std::vector<PartitionState> partitions;                 // one per name
  uint32_t next = 0;                                      // whose turn it is
};

}  // namespace freshet::worker
