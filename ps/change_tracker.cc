#include "ps/change_tracker.h"

#include <utility>

#include "common/check.h"

namespace freshet::ps {

void ChangeTracker::Resize(size_t slots) {
  slots_ = slots;
  dirty_.Resize(slots);
  pending_.Resize(slots);
  dirty_before_base_.Resize(slots);
}

void ChangeTracker::Flip(bool full, const RowBits& live) {
  FRESHET_DCHECK(pending_.Count() == 0);
  cutting_ = true;
  full_ = full;
  if (full) {
    std::swap(dirty_, dirty_before_base_);
    pending_.CopyFrom(live);
  } else {
    std::swap(dirty_, pending_);
  }
  std::swap(deleted_, tombstones_);
}

void ChangeTracker::Unflip(bool committed, std::span<const RowSlot> copied, const RowBits& live) {
  if (!committed) {
    if (full_) {
      dirty_.SetWhere(dirty_before_base_, live);
    } else {
      dirty_.SetWhere(pending_, live);
      for (const RowSlot slot : copied) {
        if (live.Test(slot)) {
          dirty_.Set(slot);
        }
      }
    }
    deleted_.insert(tombstones_.begin(), tombstones_.end());
  }
  if (full_) {
    dirty_before_base_.ClearAll();
  }
  pending_.ClearAll();
  cutting_ = false;
  tombstones_.clear();
}

uint64_t ChangeTracker::bytes() const {
  constexpr uint64_t kBytesPerKey = sizeof(Key) + 1;
  return dirty_.bytes() + pending_.bytes() + dirty_before_base_.bytes() +
         (deleted_.capacity() + tombstones_.capacity()) * kBytesPerKey;
}

}  // namespace freshet::ps
