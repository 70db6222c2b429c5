#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "common/buffer.h"
#include "common/key.h"
#include "ps/row_bits.h"

namespace freshet::ps {

struct RowHead {
  Key key = 0;
  uint32_t frequency = 0;    // pushes that touched the row
  uint32_t last_update = 0;  // event time, Unix seconds
};

// The memory of rows. A row is a RowHead and a fixed number of floats, side by side; rows lie in
// chunks, so that they never move while the table grows. Freed slots are used again, last first.
// At most 2^32 - 2 rows. Thread-safety: owner thread only.
class RowStore {
 public:
  explicit RowStore(uint32_t floats);

  // The slot of a new row; its head and floats are not initialised.
  RowSlot Allocate();
  void Free(RowSlot slot);

  RowHead& head(RowSlot slot) { return *reinterpret_cast<RowHead*>(At(slot)); }

  const RowHead& head(RowSlot slot) const { return *reinterpret_cast<const RowHead*>(At(slot)); }

  float* floats(RowSlot slot) { return reinterpret_cast<float*>(At(slot) + sizeof(RowHead)); }

  const float* floats(RowSlot slot) const {
    return reinterpret_cast<const float*>(At(slot) + sizeof(RowHead));
  }

  void Prefetch(RowSlot slot) const {
    const std::byte* const row = At(slot);
    for (size_t offset = 0; offset < prefetch_bytes_; offset += 64) {
      __builtin_prefetch(row + offset);
    }
  }

  // Slots that memory has been taken for, free ones included: the size of bitmaps over rows.
  size_t slots() const { return chunks_.size() << chunk_shift_; }

  size_t rows() const { return used_ - free_.size(); }

  // The slots that hold a row.
  const RowBits& live() const { return live_; }

  uint64_t bytes() const;

 private:
  std::byte* At(RowSlot slot) {
    return chunks_[slot >> chunk_shift_].data() + (slot & chunk_mask_) * row_bytes_;
  }

  const std::byte* At(RowSlot slot) const {
    return chunks_[slot >> chunk_shift_].data() + (slot & chunk_mask_) * row_bytes_;
  }

  const size_t row_bytes_;
  const size_t prefetch_bytes_;
  const uint32_t chunk_shift_;
  const RowSlot chunk_mask_;
  std::vector<Buffer> chunks_;
  size_t used_ = 0;  // slots given out so far; those freed since are in free_
  std::vector<RowSlot> free_;
  RowBits live_;
};

}  // namespace freshet::ps
