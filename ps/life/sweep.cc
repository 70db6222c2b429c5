#include "ps/life/sweep.h"

#include <limits>

namespace freshet::ps {
namespace {

constexpr uint64_t kLastHash = std::numeric_limits<uint64_t>::max();

// The first hash of slice i of `slices`; i below `slices`.
uint64_t BeginOf(uint64_t i, uint32_t slices) {
  return static_cast<uint64_t>(((static_cast<unsigned __int128>(i) << 64U) + slices - 1) / slices);
}

// Of the slices [begin, end).
HashRange RangeOf(uint64_t begin, uint64_t end, uint32_t slices) {
  return {.begin = BeginOf(begin, slices),
          .end_inclusive = end == slices ? kLastHash : BeginOf(end, slices) - 1};
}

}  // namespace

std::vector<HashRange> RangesToJudge(uint64_t before, uint64_t after, uint32_t evict_every_steps) {
  const uint32_t slices = evict_every_steps;
  if (slices == 0 || after <= before) {
    return {};
  }
  if (after - before >= slices) {
    return {{.begin = 0, .end_inclusive = kLastHash}};
  }
  const uint64_t begin = before % slices;
  const uint64_t end = begin + (after - before);
  if (end <= slices) {
    return {RangeOf(begin, end, slices)};
  }
  return {RangeOf(begin, slices, slices), RangeOf(0, end - slices, slices)};
}

}  // namespace freshet::ps
