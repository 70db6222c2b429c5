#pragma once
#include <cstddef>
#include <cstdint>

#include "common/feature_life.h"
#include "ps/mapped_array.h"
#include "ps/prefetch.h"
#include "ps/row_bits.h"

namespace freshet::ps {

struct RowMeta {
  uint32_t frequency = 0;    // samples, or pushes, that touched the row
  uint32_t last_update = 0;  // event time, Unix seconds
};

// A row, wherever it lies. Borrowed.
struct RowParts {
  const RowMeta* meta = nullptr;
  const FeatureLife* life = nullptr;  // null if rows have none
  const std::byte* value = nullptr;   // as the ValueCodec stores it
  const float* state = nullptr;       // [state_dim]
};

// How wide the parts of a row are.
struct RowShape {
  size_t value_bytes = 0;
  size_t state_dim = 0;   // floats
  bool has_life = false;  // a FeatureLife
};

// The memory of rows. Values lie in an array of their own, so that a look-up touches the lines of
// the value alone and the pages of all values are as few as can be. The rest of a row, which only
// updates touch, lies side by side in another one: metadata, life, state. There is no padding. A
// slot that was freed is used again before a new one, the lowest first; TakeTail gives the memory
// of the last ones back.
// Keys are known to the RowIndex. At most 2^32 - 2 rows.
//
// Pointers and references hold until the next Allocate or TakeTail.
// Thread-safety: owner thread only.
class RowStore {
 public:
  explicit RowStore(const RowShape& shape)
      : shape_(shape),
        state_at_(sizeof(RowMeta) + (shape.has_life ? sizeof(FeatureLife) : 0)),
        rest_bytes_(state_at_ + shape.state_dim * sizeof(float)) {}

  // The slot of a new row; its parts are whatever was there.
  RowSlot Allocate();
  void Free(RowSlot slot);

  std::byte* value(RowSlot slot) { return values_.data() + slot * shape_.value_bytes; }

  const std::byte* value(RowSlot slot) const { return values_.data() + slot * shape_.value_bytes; }

  float* state(RowSlot slot) { return reinterpret_cast<float*>(rest(slot) + state_at_); }

  const float* state(RowSlot slot) const {
    return reinterpret_cast<const float*>(rest(slot) + state_at_);
  }

  RowMeta& meta(RowSlot slot) { return *reinterpret_cast<RowMeta*>(rest(slot)); }

  const RowMeta& meta(RowSlot slot) const { return *reinterpret_cast<const RowMeta*>(rest(slot)); }

  // Null if rows have none.
  FeatureLife* life(RowSlot slot) {
    return shape_.has_life ? reinterpret_cast<FeatureLife*>(rest(slot) + sizeof(RowMeta)) : nullptr;
  }

  const FeatureLife* life(RowSlot slot) const {
    return shape_.has_life ? reinterpret_cast<const FeatureLife*>(rest(slot) + sizeof(RowMeta))
                           : nullptr;
  }

  RowParts parts(RowSlot slot) const {
    return {.meta = &meta(slot), .life = life(slot), .value = value(slot), .state = state(slot)};
  }

  // The row becomes a copy of another one.
  void Set(RowSlot slot, const RowParts& row);

  void PrefetchValue(RowSlot slot) const { PrefetchLines(value(slot), shape_.value_bytes); }

  // All parts, to be changed.
  void PrefetchRow(RowSlot slot) const {
    PrefetchLines(value(slot), shape_.value_bytes);
    PrefetchLines(rest(slot), rest_bytes_);
  }

  // Slots that memory has been taken for: the size of bitmaps over rows.
  size_t slots() const { return slots_; }

  // Slots up to the last one that ever held a row since the last TakeTail.
  size_t used() const { return used_; }

  size_t rows() const { return rows_; }

  // The slots that hold a row.
  const RowBits& live() const { return live_; }

  // Gives back what lies behind the last row that there is.
  void TakeTail();

  // Of rows and bitmaps, also of slots that hold no row now.
  uint64_t bytes() const { return used_ * bytes_per_row() + live_.bytes(); }

  size_t bytes_per_row() const {
    return shape_.value_bytes + shape_.state_dim * sizeof(float) + sizeof(RowMeta) +
           (shape_.has_life ? sizeof(FeatureLife) : 0);
  }

 private:
  // Further lines come by the hardware's own prefetching.
  static constexpr size_t kPrefetchBytes = 256;
  static constexpr size_t kLineBytes = 64;

  static void PrefetchLines(const std::byte* from, size_t bytes) {
    const std::byte* const end = from + (bytes < kPrefetchBytes ? bytes : kPrefetchBytes);
    // A row may begin and end in the middle of a line.
    for (from -= reinterpret_cast<uintptr_t>(from) % kLineBytes; from < end; from += kLineBytes) {
      Prefetch(from);
    }
  }

  std::byte* rest(RowSlot slot) { return rests_.data() + slot * rest_bytes_; }

  const std::byte* rest(RowSlot slot) const { return rests_.data() + slot * rest_bytes_; }

  void Resize(size_t slots);
  void FillAhead();

  const RowShape shape_;
  const size_t state_at_;  // in the rest of a row
  const size_t rest_bytes_;
  MappedMemory values_;
  MappedMemory rests_;
  RowBits live_;
  size_t slots_ = 0;
  size_t used_ = 0;
  size_t rows_ = 0;
  size_t first_free_ = 0;  // no slot before it is free
  size_t filled_ = 0;      // slots that there are pages for, or will be soon
  size_t fill_at_ = 0;     // when so many are used, FillAhead
};

}  // namespace freshet::ps
