#pragma once
#include <cstdint>

#include "common/cluster/partition_map.h"
#include "common/ids.h"
#include "common/key.h"

namespace freshet::ps {

// Which keys belong to this server, and to which of its owner threads.
// Immutable after construction.
class Ownership {
 public:
  Ownership(const PartitionMap& partitions, uint32_t server, uint32_t owner_threads)
      : partitions_(partitions), server_(server), owner_threads_(owner_threads) {
    const uint32_t count = partitions.partition_count();
    while (first_ < count && partitions.ServerOf(PartitionId(first_)) < server) {
      ++first_;
    }
    end_ = first_;
    while (end_ < count && partitions.ServerOf(PartitionId(end_)) == server) {
      ++end_;
    }
    if (first_ < end_) {
      first_key_ = FirstKeyOf(first_);
      further_keys_ = (end_ == count ? 0 : FirstKeyOf(end_)) - 1 - first_key_;
    }
  }

  const PartitionMap& partitions() const { return partitions_; }

  uint32_t server() const { return server_; }

  uint32_t owner_threads() const { return owner_threads_; }

  // Of its partitions, which are [first, end).
  uint32_t first_partition() const { return first_; }

  uint32_t end_partition() const { return end_; }

  bool OwnsPartition(PartitionId partition) const {
    return partition.value() >= first_ && partition.value() < end_;
  }

  // Its partitions are neighbours, so its keys are, too.
  bool OwnsKey(Key key) const { return key - first_key_ <= further_keys_ && first_ < end_; }

  uint32_t ThreadOf(PartitionId partition) const { return partition.value() % owner_threads_; }

  // How many partitions an owner thread has.
  uint32_t PartitionsOf(uint32_t thread) const {
    uint32_t count = 0;
    for (uint32_t partition = first_; partition < end_; ++partition) {
      count += ThreadOf(PartitionId(partition)) == thread ? 1 : 0;
    }
    return count;
  }

  // Dense variables lie with owner thread 0.
  bool OwnsDense(uint32_t variable) const { return partitions_.ServerOfDense(variable) == server_; }

  friend bool operator==(const Ownership&, const Ownership&) = default;

 private:
  Key FirstKeyOf(uint32_t partition) const {
    const uint32_t count = partitions_.partition_count();
    return static_cast<Key>(((static_cast<unsigned __int128>(partition) << 64U) + count - 1) /
                            count);
  }

  PartitionMap partitions_;
  uint32_t server_;
  uint32_t owner_threads_;
  uint32_t first_ = 0;  // its partitions: [first_, end_)
  uint32_t end_ = 0;
  Key first_key_ = 0;  // its keys: [first_key_, first_key_ + further_keys_]
  Key further_keys_ = 0;
};

}  // namespace freshet::ps
