#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "common/key.h"
#include "ps/row_index.h"

namespace freshet::ps {

// Works through keys in blocks, in four steps, so that the cache misses of many keys overlap: the
// index's lines are fetched; then those that a few keys need besides; then the rows' lines, by
// fetch(slot); then use(begin, keys of the block, their slots) is called. Each step is a block
// behind the one before. What `use` does may make rows, but no row may go; none is made between the
// look-up of a block's keys and its use.
template <typename Fetch, typename Use>
void ForEachBlock(const RowIndex& index, std::span<const Key> keys, Fetch fetch, Use use) {
  constexpr size_t kSteps = 3;  // between a block's first and its last
  std::array<RowIndex::Search, kSteps> searches;
  const size_t blocks = (keys.size() + RowIndex::kBlock - 1) / RowIndex::kBlock;
  const auto block_of = [&](size_t block) {
    const size_t begin = block * RowIndex::kBlock;
    return keys.subspan(begin, std::min(RowIndex::kBlock, keys.size() - begin));
  };
  // The last step comes first: it takes what was fetched while the others wait for memory, and
  // leaves its place to the block that begins.
  for (size_t step = 0; step < blocks + kSteps; ++step) {
    if (step >= 3) {
      const RowIndex::Search& search = searches[(step - 3) % kSteps];
      use((step - 3) * RowIndex::kBlock,
          block_of(step - 3),
          std::span(search.slots).first(search.count));
    }
    if (step >= 2 && step - 2 < blocks) {
      RowIndex::Search& search = searches[(step - 2) % kSteps];
      index.FindFurther(search);
      for (const RowSlot slot : std::span(search.slots).first(search.count)) {
        if (slot != kNoRow) {
          fetch(slot);
        }
      }
    }
    if (step >= 1 && step - 1 < blocks) {
      index.FindNear(searches[(step - 1) % kSteps]);
    }
    if (step < blocks) {
      index.Prepare(block_of(step), searches[step % kSteps]);
    }
  }
}

}  // namespace freshet::ps
