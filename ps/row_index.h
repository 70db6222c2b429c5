#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/key.h"
#include "ps/row_bits.h"
#include "ps/row_store.h"

namespace freshet::ps {

// Which slot of a RowStore holds a key. Open addressing with linear probing, five bytes a cell:
//
//   tags_  [capacity]  0: empty; else 0x80 | seven bits of the key's hash
//   slots_ [capacity]  where the row is
//
// Keys are not stored: a tag that fits is verified against the row's head, so that any 64-bit key
// is allowed. Invariants: capacity is a power of two; at most 3/4 of the cells are taken; no empty
// cell lies between a key's home and its cell (Erase moves later cells back).
//
// The home comes from SplitMix64 of the key, because all keys of one owner agree in their high
// bits. Thread-safety: owner thread only.
class RowIndex {
 public:
  // slots[i] = the slot of keys[i], or kNoRow. [n] both; at most kMaxBatch at a time. Prefetches
  // the cells, then the rows.
  static constexpr size_t kMaxBatch = 128;
  void Find(const RowStore& rows, std::span<const Key> keys, std::span<RowSlot> slots) const;

  RowSlot Find(const RowStore& rows, Key key) const;

  // The key is not there yet; its row is, with its head.
  void Insert(const RowStore& rows, Key key, RowSlot slot);

  // The key is there; its row is still whole.
  void Erase(const RowStore& rows, Key key);

  uint64_t bytes() const { return tags_.size() * (sizeof(uint8_t) + sizeof(RowSlot)); }

 private:
  static uint8_t TagOf(uint64_t hash) { return static_cast<uint8_t>(0x80U | (hash >> 57)); }

  size_t HomeOf(uint64_t hash) const { return hash & mask_; }

  // The first cell from the key's home on that may be its own: same tag. kNoCell at an empty cell.
  size_t NextCandidate(size_t cell, uint8_t tag) const;
  RowSlot Verify(const RowStore& rows, Key key, uint8_t tag, size_t candidate) const;
  void Place(uint64_t hash, RowSlot slot);
  void Grow(const RowStore& rows);

  std::vector<uint8_t> tags_;
  std::vector<RowSlot> slots_;
  size_t mask_ = 0;  // capacity - 1
  size_t size_ = 0;
};

}  // namespace freshet::ps
