#include "ps/change_tracker.h"

#include <utility>

#include "common/check.h"

namespace freshet::ps {

void ChangeTracker::Resize(size_t slots) {
  slots_ = slots;
  dirty_.Resize(slots);
  in_cut_.Resize(slots);
  pending_.Resize(slots);
}

void ChangeTracker::Flip(bool full, const RowBits& live) {
  FRESHET_DCHECK(pending_.Count() == 0 && in_cut_.Count() == 0);
  cutting_ = true;
  std::swap(dirty_, in_cut_);
  pending_.CopyFrom(full ? live : in_cut_);
  std::swap(deleted_, tombstones_);
}

void ChangeTracker::Unflip(bool committed) {
  if (!committed) {
    dirty_.SetAllOf(in_cut_);
    deleted_.insert(tombstones_.begin(), tombstones_.end());
  }
  in_cut_.ClearAll();
  pending_.ClearAll();
  cutting_ = false;
  tombstones_.clear();
}

uint64_t ChangeTracker::bytes() const {
  constexpr uint64_t kBytesPerKey = sizeof(Key) + 1;
  return dirty_.bytes() + in_cut_.bytes() + pending_.bytes() +
         (deleted_.capacity() + tombstones_.capacity()) * kBytesPerKey;
}

}  // namespace freshet::ps
