#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "common/key.h"
#include "ps/row_index.h"

namespace freshet::ps {

// Works through keys in blocks, in three steps, so that the cache misses of many keys overlap:
// the index's lines are fetched, a block later the rows', and a block later use(begin, keys of the
// block, their slots) is called. What it does may make rows, but no row may go.
template <typename Fetch, typename Use>
void ForEachBlock(const RowIndex& index, std::span<const Key> keys, Fetch fetch, Use use) {
  std::array<std::array<uint64_t, RowIndex::kBlock>, 2> hashes;
  std::array<std::array<RowSlot, RowIndex::kBlock>, 2> slots;
  const size_t blocks = (keys.size() + RowIndex::kBlock - 1) / RowIndex::kBlock;
  const auto block_of = [&](size_t block) {
    const size_t begin = block * RowIndex::kBlock;
    return keys.subspan(begin, std::min(RowIndex::kBlock, keys.size() - begin));
  };
  for (size_t step = 0; step < blocks + 2; ++step) {
    if (step >= 1 && step <= blocks) {
      const size_t block = step - 1;
      const size_t count = block_of(block).size();
      index.Find(std::span(hashes[block % 2]).first(count),
                 std::span(slots[block % 2]).first(count));
      for (size_t i = 0; i < count; ++i) {
        if (slots[block % 2][i] != kNoRow) {
          fetch(slots[block % 2][i]);
        }
      }
    }
    if (step < blocks) {
      index.Prepare(block_of(step), hashes[step % 2]);
    }
    if (step >= 2) {
      const size_t block = step - 2;
      use(block * RowIndex::kBlock,
          block_of(block),
          std::span(slots[block % 2]).first(block_of(block).size()));
    }
  }
}

}  // namespace freshet::ps
