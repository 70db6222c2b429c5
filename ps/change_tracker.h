#pragma once
#include <cstddef>
#include <cstdint>

#include "absl/container/flat_hash_set.h"
#include "common/key.h"
#include "ps/row_bits.h"

namespace freshet::ps {

// Which rows of a table the next version must hold, and which the cut under way has still to copy.
//
//   dirty    changed since the last flip
//   in cut   was dirty at the flip of the cut under way: clean if it is committed, else dirty again
//   pending  in the cut under way, not copied yet
//
// Bits by slot, so no number of changed rows can overflow them. The owner of the rows copies a
// pending row before it changes, deletes or moves it out. A deleted key is remembered until the
// version that says so is committed.
// Thread-safety: owner thread only.
class ChangeTracker {
 public:
  using Keys = absl::flat_hash_set<Key>;

  // Bits for so many slots. Fewer only while no cut is under way.
  void Resize(size_t slots);

  size_t slots() const { return slots_; }

  void Prefetch(RowSlot slot) const {
    dirty_.Prefetch(slot);
    if (cutting_) {
      pending_.Prefetch(slot);
    }
  }

  bool IsDirty(RowSlot slot) const { return dirty_.Test(slot); }

  void MarkDirty(RowSlot slot) { dirty_.Set(slot); }

  size_t dirty() const { return dirty_.Count(); }

  bool IsInCut(RowSlot slot) const { return in_cut_.Test(slot); }

  void MarkInCut(RowSlot slot) { in_cut_.Set(slot); }

  // The slot, not pending, holds no row any more.
  void MarkFree(RowSlot slot) {
    dirty_.Clear(slot);
    in_cut_.Clear(slot);
  }

  // Since the last flip.
  const Keys& deleted() const { return deleted_; }

  void ForgetDeleted() { deleted_ = {}; }

  // The key has no row any more.
  void MarkDeleted(Key key) { deleted_.insert(key); }

  // The row at `from` is now at `to`. Not while a cut is under way.
  void Move(RowSlot from, RowSlot to) {
    if (dirty_.Test(from)) {
      dirty_.Clear(from);
      dirty_.Set(to);
    }
  }

  bool IsPending(RowSlot slot) const { return cutting_ && pending_.Test(slot); }

  void MarkCopied(RowSlot slot) { pending_.Clear(slot); }

  RowSlot NextPending(RowSlot from) const { return pending_.NextSet(from); }

  // Begins a cut; nothing is pending before. `full`: of all `live` rows.
  void Flip(bool full, const RowBits& live);

  size_t pending() const { return pending_.Count(); }

  // Of the cut under way.
  const Keys& tombstones() const { return tombstones_; }

  // Ends the cut. Not committed: what it would have cleaned is dirty again.
  void Unflip(bool committed);

  uint64_t bytes() const;

 private:
  RowBits dirty_;
  RowBits in_cut_;
  RowBits pending_;
  bool cutting_ = false;  // else nothing is pending, and there is no need to look
  Keys deleted_;          // since the last flip
  Keys tombstones_;
  size_t slots_ = 0;
};

}  // namespace freshet::ps
