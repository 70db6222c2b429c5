#include "ps/row_store.h"

#include <algorithm>
#include <cstring>

#include "common/check.h"

namespace freshet::ps {
namespace {

constexpr size_t kWord = 64;  // slots in a word of a bitmap
// How far ahead of the last row there are pages: little beside the rows, and enough for some
// batches.
constexpr size_t kMostAheadBytes = size_t{8} << 20U;
constexpr size_t kAheadShare = 64;

}  // namespace

RowSlot RowStore::Allocate() {
  size_t slot = used_;
  if (rows_ < used_) {
    slot = live_.NextClear(first_free_);
    first_free_ = slot + 1;
  } else {
    FRESHET_CHECK(used_ < kNoRow);
    if (used_ == slots_) {
      // Address space; memory is taken when a slot is written to.
      Resize(slots_ + std::max(kWord, slots_ / 4 / kWord * kWord));
    }
    if (used_++ >= fill_at_) {
      FillAhead();
    }
  }
  ++rows_;
  live_.Set(static_cast<RowSlot>(slot));
  return static_cast<RowSlot>(slot);
}

void RowStore::Free(RowSlot slot) {
  FRESHET_DCHECK(live_.Test(slot));
  live_.Clear(slot);
  --rows_;
  first_free_ = std::min<size_t>(first_free_, slot);
}

void RowStore::Set(RowSlot slot, const RowParts& row) {
  std::memcpy(value(slot), row.value, shape_.value_bytes);
  std::copy_n(row.state, shape_.state_dim, state(slot));
  meta(slot) = *row.meta;
  if (shape_.has_life) {
    *life(slot) = *row.life;
  }
}

void RowStore::TakeTail() {
  size_t end = used_;
  while (end > 0 && !live_.Test(static_cast<RowSlot>(end - 1))) {
    --end;
  }
  used_ = end;
  Resize((end + kWord - 1) / kWord * kWord);
}

void RowStore::FillAhead() {
  const size_t ahead = std::min(used_ / kAheadShare, kMostAheadBytes / bytes_per_row());
  const size_t begin = std::max(filled_, used_);
  filled_ = std::min(used_ + ahead, slots_);
  fill_at_ = used_ + ahead / 2;
  values_.FillAhead(begin * shape_.value_bytes, filled_ * shape_.value_bytes);
  rests_.FillAhead(begin * rest_bytes_, filled_ * rest_bytes_);
}

void RowStore::Resize(size_t slots) {
  slots_ = slots;
  filled_ = 0;
  fill_at_ = 0;
  values_.Resize(slots * shape_.value_bytes);
  rests_.Resize(slots * rest_bytes_);
  live_.Resize(slots);
}

}  // namespace freshet::ps
