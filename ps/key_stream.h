#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "common/key.h"
#include "ps/row_index.h"
#include "ps/simd.h"

namespace freshet::ps {

// ForEachKey, with the instructions of one machine.
template <RowIndex::Simd kSimd, typename Fetch, typename Use>
FRESHET_INLINE void StreamKeys(const RowIndex& index,
                               std::span<const Key> keys,
                               const Fetch& fetch,
                               const Use& use) {
  // Keys between a step and the next one.
  constexpr size_t kToHome = 16;
  constexpr size_t kToNext = 8;
  constexpr size_t kToRow = 16;
  constexpr size_t kRing = 64;
  static_assert(kToHome + kToNext + kToRow <= kRing);
  std::array<uint64_t, kRing> hashes;
  std::array<RowSlot, kRing> slots;
  const auto begin = [&](size_t i) {
    hashes[i % kRing] = SplitMix64(keys[i]);
    index.FetchHome(hashes[i % kRing]);
  };
  for (size_t i = 0; i < std::min(keys.size(), kToHome); ++i) {
    begin(i);
  }
  for (size_t i = 0; i < keys.size() + kToNext + kToRow; ++i) {
    // The last step comes first: it takes what was fetched while the others wait for memory.
    if (i >= kToNext + kToRow) {
      const size_t last = i - kToNext - kToRow;
      use(last, slots[last % kRing]);
    }
    if (i >= kToNext && i - kToNext < keys.size()) {
      RowSlot& slot = slots[(i - kToNext) % kRing];
      if (slot == kNoRow) [[unlikely]] {
        slot = index.FindFromHome<kSimd>(hashes[(i - kToNext) % kRing]);
        if (slot != kNoRow) {
          fetch(slot);
        }
      }
    }
    if (i < keys.size()) {
      const RowSlot slot = index.FindAtHome<kSimd>(hashes[i % kRing]);
      slots[i % kRing] = slot;
      if (slot != kNoRow) [[likely]] {
        fetch(slot);
      }
    }
    if (i + kToHome < keys.size()) {
      begin(i + kToHome);
    }
  }
}

#if defined(__x86_64__)
template <typename Fetch, typename Use>
__attribute__((target("avx512f"))) void StreamKeysAvx512(const RowIndex& index,
                                                         std::span<const Key> keys,
                                                         const Fetch& fetch,
                                                         const Use& use) {
  StreamKeys<RowIndex::Simd::kAvx512>(index, keys, fetch, use);
}

template <typename Fetch, typename Use>
__attribute__((target("avx2"))) void StreamKeysAvx2(const RowIndex& index,
                                                    std::span<const Key> keys,
                                                    const Fetch& fetch,
                                                    const Use& use) {
  StreamKeys<RowIndex::Simd::kAvx2>(index, keys, fetch, use);
}
#endif

// Looks the keys up one after the other and calls use(i, slot of keys[i], or kNoRow) for each. So
// that the cache misses of many keys overlap, each look-up begins well before its use: the home
// bucket's line is fetched; some keys later it is searched, and the row's lines are fetched, by
// fetch(slot), or else the next bucket's. What `use` does may make rows, but no row may go. A row
// that was made since its key was looked up is not found: kNoRow may mean that it is there now.
template <typename Fetch, typename Use>
void ForEachKey(const RowIndex& index,
                std::span<const Key> keys,
                const Fetch& fetch,
                const Use& use) {
#if defined(__x86_64__)
  if (RowIndex::BestSimd() == RowIndex::Simd::kAvx512) {
    StreamKeysAvx512(index, keys, fetch, use);
    return;
  }
  if (RowIndex::BestSimd() == RowIndex::Simd::kAvx2) {
    StreamKeysAvx2(index, keys, fetch, use);
    return;
  }
#endif
  StreamKeys<RowIndex::Simd::kNone>(index, keys, fetch, use);
}

}  // namespace freshet::ps
