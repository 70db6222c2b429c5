#include "ps/change_tracker.h"

#include <algorithm>
#include <utility>

#include "common/check.h"

namespace freshet::ps {
namespace {

// Longer than this part of the table, a list of keys is not worth its memory.
constexpr size_t kListPart = 32;
constexpr size_t kShortList = 4096;

}  // namespace

void ChangeTracker::Resize(size_t slots) {
  slots_ = slots;
  dirty_.Resize(slots);
  pending_.Resize(slots);
  dirty_before_base_.Resize(slots);
}

void ChangeTracker::NoteDirty(Key key) {
  if (dirty_all_) {
    return;
  }
  if (dirty_keys_.size() >= std::max(kShortList, slots_ / kListPart)) {
    dirty_all_ = true;
    dirty_keys_ = {};
    return;
  }
  dirty_keys_.push_back(key);
}

void ChangeTracker::Flip(bool full, const RowBits& live) {
  FRESHET_DCHECK(pending_.Count() == 0);
  full_ = full;
  if (full) {
    std::swap(dirty_, dirty_before_base_);
    pending_.CopyFrom(live);
  } else {
    std::swap(dirty_, pending_);
  }
  pending_all_ = full || dirty_all_;
  pending_keys_ = std::exchange(dirty_keys_, {});
  dirty_all_ = false;
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
    dirty_all_ = true;
    dirty_keys_ = {};
    deleted_.insert(tombstones_.begin(), tombstones_.end());
  }
  if (full_) {
    dirty_before_base_.ClearAll();
  }
  pending_.ClearAll();
  pending_keys_ = {};
  tombstones_.clear();
}

uint64_t ChangeTracker::bytes() const {
  constexpr uint64_t kBytesPerKey = sizeof(Key) + 1;
  return dirty_.bytes() + pending_.bytes() + dirty_before_base_.bytes() +
         (dirty_keys_.capacity() + pending_keys_.capacity()) * sizeof(Key) +
         (deleted_.capacity() + tombstones_.capacity()) * kBytesPerKey;
}

}  // namespace freshet::ps
