#pragma once
#include <cstdint>
#include <vector>

namespace freshet::ps {

// A run of SplitMix64(key), ends included: all of it is [0, 2^64 - 1].
struct HashRange {
  uint64_t begin = 0;
  uint64_t end_inclusive = 0;

  friend bool operator==(const HashRange&, const HashRange&) = default;
};

// Which rows are to be judged when the clock goes from step `before` to step `after`. The hash
// space is cut into `evict_every_steps` slices, of which step s judges slice (s - 1) modulo their
// number: slice i is [ceil(i * 2^64 / slices), ceil((i + 1) * 2^64 / slices) - 1].
//
// One range, or two where the slices begin again; the whole space, once, when the clock jumped by
// all slices or more. None if it did not move or if evict_every_steps is 0.
std::vector<HashRange> RangesToJudge(uint64_t before, uint64_t after, uint32_t evict_every_steps);

}  // namespace freshet::ps
