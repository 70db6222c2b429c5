#include "ps/row_index.h"

#include <array>

#include "common/check.h"

namespace freshet::ps {
namespace {

constexpr size_t kNoCell = SIZE_MAX;
constexpr size_t kFirstCapacity = 64;

}  // namespace

size_t RowIndex::NextCandidate(size_t cell, uint8_t tag) const {
  while (tags_[cell] != tag) {
    if (tags_[cell] == 0) {
      return kNoCell;
    }
    cell = (cell + 1) & mask_;
  }
  return cell;
}

RowSlot RowIndex::Verify(const RowStore& rows, Key key, uint8_t tag, size_t candidate) const {
  while (candidate != kNoCell) {
    const RowSlot slot = slots_[candidate];
    if (rows.head(slot).key == key) {
      return slot;
    }
    candidate = NextCandidate((candidate + 1) & mask_, tag);
  }
  return kNoRow;
}

void RowIndex::Find(const RowStore& rows,
                    std::span<const Key> keys,
                    std::span<RowSlot> slots) const {
  FRESHET_DCHECK(keys.size() <= kMaxBatch && keys.size() == slots.size());
  if (size_ == 0) {
    std::fill(slots.begin(), slots.end(), kNoRow);
    return;
  }
  std::array<uint64_t, kMaxBatch> hashes;
  std::array<size_t, kMaxBatch> candidates;
  for (size_t i = 0; i < keys.size(); ++i) {
    hashes[i] = SplitMix64(keys[i]);
    __builtin_prefetch(&tags_[HomeOf(hashes[i])]);
    __builtin_prefetch(&slots_[HomeOf(hashes[i])]);
  }
  for (size_t i = 0; i < keys.size(); ++i) {
    candidates[i] = NextCandidate(HomeOf(hashes[i]), TagOf(hashes[i]));
    if (candidates[i] != kNoCell) {
      rows.Prefetch(slots_[candidates[i]]);
    }
  }
  for (size_t i = 0; i < keys.size(); ++i) {
    slots[i] = Verify(rows, keys[i], TagOf(hashes[i]), candidates[i]);
  }
}

RowSlot RowIndex::Find(const RowStore& rows, Key key) const {
  if (size_ == 0) {
    return kNoRow;
  }
  const uint64_t hash = SplitMix64(key);
  return Verify(rows, key, TagOf(hash), NextCandidate(HomeOf(hash), TagOf(hash)));
}

void RowIndex::Place(uint64_t hash, RowSlot slot) {
  size_t cell = HomeOf(hash);
  while (tags_[cell] != 0) {
    cell = (cell + 1) & mask_;
  }
  tags_[cell] = TagOf(hash);
  slots_[cell] = slot;
}

void RowIndex::Insert(const RowStore& rows, Key key, RowSlot slot) {
  ++size_;
  if (size_ * 4 > tags_.size() * 3) {
    Grow(rows);  // places every live row, this one too
    return;
  }
  Place(SplitMix64(key), slot);
}

void RowIndex::Grow(const RowStore& rows) {
  const size_t capacity = tags_.empty() ? kFirstCapacity : tags_.size() * 2;
  tags_.assign(capacity, 0);
  slots_.assign(capacity, kNoRow);
  mask_ = capacity - 1;
  for (RowSlot slot = rows.live().NextSet(0); slot != kNoRow;
       slot = rows.live().NextSet(slot + 1)) {
    Place(SplitMix64(rows.head(slot).key), slot);
  }
}

void RowIndex::Erase(const RowStore& rows, Key key) {
  const uint64_t hash = SplitMix64(key);
  size_t hole = NextCandidate(HomeOf(hash), TagOf(hash));
  while (rows.head(slots_[hole]).key != key) {
    hole = NextCandidate((hole + 1) & mask_, TagOf(hash));
  }
  // A later cell of the same cluster moves into the hole unless its home lies behind the hole.
  for (size_t cell = (hole + 1) & mask_; tags_[cell] != 0; cell = (cell + 1) & mask_) {
    const size_t home = HomeOf(SplitMix64(rows.head(slots_[cell]).key));
    if (((cell - home) & mask_) >= ((cell - hole) & mask_)) {
      tags_[hole] = tags_[cell];
      slots_[hole] = slots_[cell];
      hole = cell;
    }
  }
  tags_[hole] = 0;
  --size_;
}

}  // namespace freshet::ps
