#pragma once
#include <cstdint>

#include "common/ids.h"
#include "common/key.h"

namespace freshet {

inline constexpr uint32_t kDefaultPartitionCount = 1024;

// Which server owns a key: the key space is cut into a fixed number of partitions by the high bits
// of the key, and each server owns a run of neighbouring partitions. A function of the two counts
// alone, so that a version written by N servers loads on M.
// Immutable after construction.
class PartitionMap {
 public:
  PartitionMap(uint32_t partition_count, uint32_t server_count)
      : partition_count_(partition_count), server_count_(server_count) {}

  uint32_t partition_count() const { return partition_count_; }

  uint32_t server_count() const { return server_count_; }

  PartitionId PartitionOf(Key key) const {
    return PartitionId(
        static_cast<uint32_t>((static_cast<unsigned __int128>(key) * partition_count_) >> 64U));
  }

  // Server s owns the partitions p with p * servers / partitions == s.
  uint32_t ServerOf(PartitionId partition) const {
    return static_cast<uint32_t>(static_cast<uint64_t>(partition.value()) * server_count_ /
                                 partition_count_);
  }

  uint32_t ServerOfKey(Key key) const { return ServerOf(PartitionOf(key)); }

  // Dense variables are dealt out by their index.
  uint32_t ServerOfDense(uint32_t dense_variable) const { return dense_variable % server_count_; }

  friend bool operator==(const PartitionMap&, const PartitionMap&) = default;

 private:
  uint32_t partition_count_;
  uint32_t server_count_;
};

}  // namespace freshet
