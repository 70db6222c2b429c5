#pragma once
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/functional/function_ref.h"
#include "common/buffer.h"
#include "common/cluster/partition_map.h"
#include "common/key.h"
#include "common/status.h"
#include "common/version_log/part_file.h"
#include "ps/change_tracker.h"
#include "ps/life/bloom_size.h"

namespace freshet::ps {

// Estimates how often a key was added, never too low but for what others took back. A counting
// Bloom filter (Fan, Cao, Almeida, Broder 2000), blocked (Putze, Sanders, Singler 2007): all
// counters of a key lie in one block of 64 one-byte counters, so that a key costs one cache miss.
//
//   block number = partition of the key * blocks per partition + index within it
//   index        = the upper half of SplitMix64(key) * blocks per partition
//
// So a block belongs to one partition, and moves with it from server to server. A partition's
// blocks take memory when the first key of it is added. A counter stops at 255, and stays there.
//
// Cuts work as those of rows do (ps/change_tracker.h): blocks changed since the last flip are
// copied in slices, and one that is about to change before it was copied is copied first.
// Thread-safety: owner thread only.
class CountingBloom {
 public:
  static constexpr uint32_t kMostCount = std::numeric_limits<uint8_t>::max();

  // For `keys` distinct keys on all servers together. The arguments have passed
  // CheckFeaturePolicy.
  CountingBloom(const PartitionMap& partitions, uint64_t keys, double false_positives);

  uint32_t Estimate(Key key) const;
  // Returns the estimate that counts this.
  uint32_t Add(Key key, uint32_t n);
  // Takes the estimate away from each of the key's counters, but for those that stopped counting.
  // If the estimate was too high, keys that share counters are estimated too low from now on.
  void Remove(Key key);

  // Begins a cut of the blocks changed since the last one, or with `full` of all that are not 0.
  // Returns how many.
  uint64_t BeginCut(bool full);
  // Copies up to `max_blocks` blocks of the cut; false when none is left.
  bool CopyCut(size_t max_blocks);
  // What was copied, in no particular order; once, after the last CopyCut.
  FilterBlocks TakeCut();
  // Not committed: the blocks of the cut go into the next one.
  void EndCut(bool committed);

  // From a version: sets the blocks of the partitions that `owns` says are ours. They are clean.
  // DataLoss: blocks that a filter of this size does not have.
  Status Load(const FilterBlocks& blocks, absl::FunctionRef<bool(PartitionId)> owns);

  uint64_t bytes() const;

  uint64_t blocks_per_partition() const { return blocks_per_partition_; }

  uint32_t probes() const { return size_.probes; }

 private:
  // A block as this object numbers it: partitions in the order in which they got their memory.
  using BlockSlot = RowSlot;

  static constexpr uint32_t kNoMemory = std::numeric_limits<uint32_t>::max();

  uint64_t IndexOf(Key key) const;
  uint64_t ProbesOf(Key key) const;
  const uint8_t* Find(Key key) const;
  BlockSlot SlotOf(PartitionId partition, uint64_t index);
  uint8_t* At(BlockSlot slot);
  const uint8_t* At(BlockSlot slot) const;
  uint8_t* BeforeChange(Key key, BlockSlot* slot);
  void AfterChange(BlockSlot slot);
  void Copy(BlockSlot slot);

  const PartitionMap partitions_;
  const BloomSize size_;
  const uint64_t blocks_per_partition_;
  std::vector<uint32_t> order_;      // [partitions] index into memory_, or kNoMemory
  std::vector<Buffer> memory_;       // of one partition each
  std::vector<uint32_t> partition_;  // whose memory_ it is
  RowBits nonzero_;
  ChangeTracker changes_;

  // Of the cut under way.
  FilterBlocks cut_;
  BlockSlot copy_cursor_ = 0;  // no block before it is pending
};

}  // namespace freshet::ps
