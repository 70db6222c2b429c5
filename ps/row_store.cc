#include "ps/row_store.h"

#include <algorithm>

#include "common/check.h"

namespace freshet::ps {
namespace {

constexpr size_t kChunkBytes = 256U << 10U;
constexpr size_t kMinChunkRows = 64;    // a word of a bitmap
constexpr size_t kPrefetchBytes = 256;  // further lines come by the hardware's own prefetching

size_t RowBytes(uint32_t floats) {
  const size_t bytes = sizeof(RowHead) + floats * sizeof(float);
  return (bytes + alignof(RowHead) - 1) / alignof(RowHead) * alignof(RowHead);
}

uint32_t ChunkShift(size_t row_bytes) {
  const size_t rows = std::max(kMinChunkRows, std::bit_floor(kChunkBytes / row_bytes));
  return static_cast<uint32_t>(std::countr_zero(rows));
}

}  // namespace

RowStore::RowStore(uint32_t floats)
    : row_bytes_(RowBytes(floats)),
      prefetch_bytes_(std::min(row_bytes_, kPrefetchBytes)),
      chunk_shift_(ChunkShift(row_bytes_)),
      chunk_mask_((RowSlot{1} << chunk_shift_) - 1) {}

RowSlot RowStore::Allocate() {
  RowSlot slot = 0;
  if (!free_.empty()) {
    slot = free_.back();
    free_.pop_back();
  } else {
    FRESHET_CHECK(used_ < kNoRow);
    slot = static_cast<RowSlot>(used_);
    if (used_ == slots()) {
      chunks_.emplace_back(row_bytes_ << chunk_shift_);
      live_.Resize(slots());
    }
    ++used_;
  }
  live_.Set(slot);
  return slot;
}

void RowStore::Free(RowSlot slot) {
  FRESHET_DCHECK(live_.Test(slot));
  live_.Clear(slot);
  free_.push_back(slot);
}

uint64_t RowStore::bytes() const {
  return slots() * row_bytes_ + free_.capacity() * sizeof(RowSlot) + live_.bytes();
}

}  // namespace freshet::ps
