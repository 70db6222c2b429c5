#include "ps/life/counting_bloom.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "common/check.h"

namespace freshet::ps {
namespace {

constexpr size_t kBlockBytes = FilterBlocks::kBlockBytes;
static_assert(kBlockBytes == kBloomBlockCounters);

// Calls each(counter) for the counters that `probes` has a bit for.
template <typename Counter, typename Each>
void ForEachCounter(Counter* block, uint64_t probes, Each each) {
  for (uint64_t left = probes; left != 0; left &= left - 1) {
    each(block[std::countr_zero(left)]);
  }
}

uint32_t LeastOf(const uint8_t* block, uint64_t probes) {
  uint8_t least = std::numeric_limits<uint8_t>::max();
  ForEachCounter(block, probes, [&](uint8_t counter) { least = std::min(least, counter); });
  return least;
}

bool IsZero(const uint8_t* block) {
  return std::all_of(block, block + kBlockBytes, [](uint8_t counter) { return counter == 0; });
}

}  // namespace

CountingBloom::CountingBloom(const PartitionMap& partitions, uint64_t keys, double false_positives)
    : partitions_(partitions),
      size_(SizeBloom(keys, false_positives)),
      blocks_per_partition_((size_.blocks + partitions.partition_count() - 1) /
                            partitions.partition_count()),
      order_(partitions.partition_count(), kNoMemory) {}

uint64_t CountingBloom::IndexOf(Key key) const {
  return static_cast<uint64_t>(
      (static_cast<unsigned __int128>(SplitMix64(key)) * blocks_per_partition_) >> 64U);
}

// One bit for each of the key's counters: six bits of a hash name one; a name that came before is
// passed over.
uint64_t CountingBloom::ProbesOf(Key key) const {
  constexpr uint32_t kBitsPerProbe = 6;
  constexpr uint32_t kProbesPerHash = 64 / kBitsPerProbe;
  uint64_t hash = SplitMix64(key);
  uint64_t probes = 0;
  uint32_t found = 0;
  while (true) {
    hash = SplitMix64(hash);
    uint64_t rest = hash;
    for (uint32_t i = 0; i < kProbesPerHash; ++i, rest >>= kBitsPerProbe) {
      const uint64_t bit = uint64_t{1} << (rest % kBloomBlockCounters);
      found += (probes & bit) == 0 ? 1 : 0;
      probes |= bit;
      if (found == size_.probes) {
        return probes;
      }
    }
  }
}

// Null if its partition has no memory yet.
const uint8_t* CountingBloom::Find(Key key) const {
  const uint32_t order = order_[partitions_.PartitionOf(key).value()];
  return order == kNoMemory
             ? nullptr
             : At(static_cast<BlockSlot>(order * blocks_per_partition_ + IndexOf(key)));
}

CountingBloom::BlockSlot CountingBloom::SlotOf(PartitionId partition, uint64_t index) {
  uint32_t& order = order_[partition.value()];
  if (order == kNoMemory) {
    const uint64_t end = (memory_.size() + 1) * blocks_per_partition_;
    FRESHET_CHECK(end < kNoRow);
    order = static_cast<uint32_t>(memory_.size());
    Buffer& memory = memory_.emplace_back(blocks_per_partition_ * kBlockBytes);
    std::memset(memory.data(), 0, memory.size());
    partition_.push_back(partition.value());
    nonzero_.Resize(end);
    changes_.Resize(end);
  }
  return static_cast<BlockSlot>(order * blocks_per_partition_ + index);
}

uint8_t* CountingBloom::At(BlockSlot slot) {
  return reinterpret_cast<uint8_t*>(memory_[slot / blocks_per_partition_].data()) +
         slot % blocks_per_partition_ * kBlockBytes;
}

const uint8_t* CountingBloom::At(BlockSlot slot) const {
  return reinterpret_cast<const uint8_t*>(memory_[slot / blocks_per_partition_].data()) +
         slot % blocks_per_partition_ * kBlockBytes;
}

uint8_t* CountingBloom::BeforeChange(Key key, BlockSlot* slot) {
  *slot = SlotOf(partitions_.PartitionOf(key), IndexOf(key));
  if (changes_.IsPending(*slot)) {
    Copy(*slot);
  }
  return At(*slot);
}

void CountingBloom::AfterChange(BlockSlot slot) {
  changes_.MarkDirty(slot);
  IsZero(At(slot)) ? nonzero_.Clear(slot) : nonzero_.Set(slot);
}

uint32_t CountingBloom::Estimate(Key key) const {
  const uint8_t* const block = Find(key);
  return block == nullptr ? 0 : LeastOf(block, ProbesOf(key));
}

uint32_t CountingBloom::Add(Key key, uint32_t n) {
  const uint64_t probes = ProbesOf(key);
  BlockSlot slot = kNoRow;
  uint8_t* const block = BeforeChange(key, &slot);
  ForEachCounter(block, probes, [n](uint8_t& counter) {
    counter = static_cast<uint8_t>(counter + std::min(n, kMostCount - counter));
  });
  AfterChange(slot);
  return LeastOf(block, probes);
}

void CountingBloom::Remove(Key key) {
  const uint32_t estimate = Estimate(key);
  if (estimate == 0) {
    return;
  }
  BlockSlot slot = kNoRow;
  uint8_t* const block = BeforeChange(key, &slot);
  ForEachCounter(block, ProbesOf(key), [estimate](uint8_t& counter) {
    if (counter != kMostCount) {
      counter = static_cast<uint8_t>(counter - estimate);
    }
  });
  AfterChange(slot);
}

uint64_t CountingBloom::BeginCut(bool full) {
  changes_.Flip(full, nonzero_);
  const size_t pending = changes_.pending();
  copy_cursor_ = 0;
  cut_ = {};
  cut_.blocks.reserve(pending);
  cut_.counters.reserve(pending * kBlockBytes);
  return pending;
}

bool CountingBloom::CopyCut(size_t max_blocks) {
  for (size_t copied = 0; copied < max_blocks; ++copied) {
    copy_cursor_ = changes_.NextPending(copy_cursor_);
    if (copy_cursor_ == kNoRow) {
      return false;
    }
    Copy(copy_cursor_);
  }
  return true;
}

void CountingBloom::Copy(BlockSlot slot) {
  const uint8_t* const block = At(slot);
  cut_.blocks.push_back(partition_[slot / blocks_per_partition_] * blocks_per_partition_ +
                        slot % blocks_per_partition_);
  cut_.counters.insert(cut_.counters.end(), block, block + kBlockBytes);
  changes_.MarkCopied(slot);
}

FilterBlocks CountingBloom::TakeCut() {
  FRESHET_DCHECK(changes_.pending() == 0);
  return std::exchange(cut_, {});
}

void CountingBloom::EndCut(bool committed) {
  changes_.Unflip(committed);
  cut_ = {};
}

Status CountingBloom::Load(const FilterBlocks& blocks, absl::FunctionRef<bool(PartitionId)> owns) {
  if (blocks.counters.size() != blocks.blocks.size() * kBlockBytes) {
    return DataLoss("filter: {} bytes of counters for {} blocks, must be {} a block",
                    blocks.counters.size(),
                    blocks.blocks.size(),
                    size_t{kBlockBytes});
  }
  const uint64_t count = partitions_.partition_count() * blocks_per_partition_;
  for (size_t i = 0; i < blocks.blocks.size(); ++i) {
    const uint64_t number = blocks.blocks[i];
    if (number >= count) {
      return DataLoss("filter: block {} of a filter that has {}", number, count);
    }
    const PartitionId partition(static_cast<uint32_t>(number / blocks_per_partition_));
    if (!owns(partition)) {
      continue;
    }
    const BlockSlot slot = SlotOf(partition, number % blocks_per_partition_);
    std::memcpy(At(slot), &blocks.counters[i * kBlockBytes], kBlockBytes);
    IsZero(At(slot)) ? nonzero_.Clear(slot) : nonzero_.Set(slot);
  }
  return absl::OkStatus();
}

uint64_t CountingBloom::bytes() const {
  return memory_.size() * blocks_per_partition_ * kBlockBytes +
         order_.capacity() * sizeof(uint32_t) + nonzero_.bytes() + changes_.bytes();
}

}  // namespace freshet::ps
