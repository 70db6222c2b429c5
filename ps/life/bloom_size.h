#pragma once
#include <cstdint>

namespace freshet::ps {

// A blocked Bloom filter's shape. Block and probes of a key are persisted through it: the answer
// for given arguments never changes.
struct BloomSize {
  uint32_t probes = 0;             // counters of a key, distinct, all in one block
  uint32_t keys_per_block_64 = 0;  // 64 times the keys that a block is meant for
  uint64_t blocks = 0;
};

// Counters in a block: one cache line of bytes.
inline constexpr uint32_t kBloomBlockCounters = 64;

// The share of keys never added that such a filter takes for added, when the number of keys in a
// block is a Poisson variable of this mean. Exact for ideal hashes: Putze, Sanders, Singler 2007,
// section 3, with distinct probes.
double BlockedFalsePositives(double keys_per_block, uint32_t probes);

// The smallest filter whose share of false positives is at most `false_positives`, in
// [1e-4, 0.5], once it holds so many keys, at least 1. Blocks are not equally full, which costs
// space: at 1% 12 counters a key, where an unblocked filter needs 10, at 0.1% 24
// instead of 14.
BloomSize SizeBloom(uint64_t keys, double false_positives);

}  // namespace freshet::ps
