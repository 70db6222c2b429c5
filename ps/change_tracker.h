#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "common/key.h"
#include "ps/row_bits.h"

namespace freshet::ps {

// Which rows of a table the next version must hold, and which the cut under way has still to copy.
//
//   dirty    changed since the last flip
//   pending  in the cut under way, not copied yet
//
// These are bits by slot. A flip swaps the two (a base marks all live rows pending instead), so no
// number of changed rows can overflow it. The owner of the rows copies a pending row before it
// changes or deletes it. A deleted key is remembered until the version that says so is committed.
//
// Beside the bits stands a list of the keys that became dirty, so that a cut of few rows need not
// look at all; when it would be longer than a part of the table, it is given up: then the cut walks
// over all rows, which costs little beside what it copies.
// Thread-safety: owner thread only.
class ChangeTracker {
 public:
  using Keys = absl::flat_hash_set<Key>;

  // Bits for so many slots. Not while a cut is under way if it becomes smaller.
  void Resize(size_t slots);

  size_t slots() const { return slots_; }

  bool IsDirty(RowSlot slot) const { return dirty_.Test(slot); }

  void MarkDirty(RowSlot slot, Key key) {
    if (!dirty_.Test(slot)) {
      dirty_.Set(slot);
      NoteDirty(key);
    }
  }

  // The row at the slot, not pending, is gone, and the next version says so.
  void MarkDeleted(RowSlot slot, Key key) {
    dirty_.Clear(slot);
    deleted_.insert(key);
  }

  // The row at the slot, not pending, is no longer here, and clean.
  void MarkGone(RowSlot slot) { dirty_.Clear(slot); }

  // A key without a row here is gone, and the next version says so.
  void NoteDeleted(Key key) { deleted_.insert(key); }

  bool IsPending(RowSlot slot) const { return pending_.Test(slot); }

  void MarkCopied(RowSlot slot) { pending_.Clear(slot); }

  // The row at `from` is now at `to`. Not while a cut is under way.
  void Move(RowSlot from, RowSlot to) {
    if (dirty_.Test(from)) {
      dirty_.Clear(from);
      dirty_.Set(to);
    }
  }

  // Begins a cut; nothing is pending before. `full`: of all `live` rows.
  void Flip(bool full, const RowBits& live);

  size_t pending() const { return pending_.Count(); }

  // Of the cut under way: every pending row's key is in pending_keys(), beside others, unless
  // walk_all().
  bool walk_all() const { return pending_all_; }

  std::span<const Key> pending_keys() const { return pending_keys_; }

  const Keys& tombstones() const { return tombstones_; }

  // Ends the cut. Not committed: what it would have cleaned is dirty again; `copied` are the slots
  // that were copied for it, whether or not their rows still live.
  void Unflip(bool committed, std::span<const RowSlot> copied, const RowBits& live);

  uint64_t bytes() const;

 private:
  void NoteDirty(Key key);

  RowBits dirty_;
  RowBits pending_;
  RowBits dirty_before_base_;  // during a cut of a base: what the base makes clean
  bool full_ = false;          // the cut under way is of a base

  std::vector<Key> dirty_keys_;
  bool dirty_all_ = false;  // dirty_keys_ was given up
  std::vector<Key> pending_keys_;
  bool pending_all_ = false;

  Keys deleted_;  // since the last flip
  Keys tombstones_;
  size_t slots_ = 0;
};

}  // namespace freshet::ps
