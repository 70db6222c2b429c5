#pragma once
#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "common/key.h"

namespace freshet::ps {

// The keys of the rows that became dirty, so that a cut of few rows need not look at all. Bounded:
// a list longer than a part of the table is given up; the cut then walks over the whole table,
// which costs little beside what it copies. The bits of ChangeTracker are the truth; this says only
// where to look.
// Thread-safety: owner thread only.
class DirtyKeys {
 public:
  // A row became dirty; the table has `rows`.
  void Add(Key key, size_t rows) {
    if (all_) {
      return;
    }
    if (dirty_.size() >= std::max(kShortest, rows / kPart)) {
      all_ = true;
      dirty_ = {};
      return;
    }
    dirty_.push_back(key);
  }

  // Begins a cut: the list so far becomes that of the cut.
  void Flip(bool full) {
    pending_all_ = full || all_;
    pending_ = std::exchange(dirty_, {});
    all_ = false;
  }

  // Ends it. Not committed: its rows are dirty again.
  void Unflip(bool committed) {
    pending_ = {};
    all_ = all_ || !committed;
    if (all_) {
      dirty_ = {};
    }
  }

  // Of the cut under way: look at every row.
  bool pending_all() const { return pending_all_; }

  // Else, at the rows of these keys.
  std::span<const Key> pending() const { return pending_; }

  size_t bytes() const { return (dirty_.capacity() + pending_.capacity()) * sizeof(Key); }

 private:
  static constexpr size_t kShortest = 4096;
  static constexpr size_t kPart = 32;

  std::vector<Key> dirty_;
  bool all_ = false;  // dirty_ was given up
  std::vector<Key> pending_;
  bool pending_all_ = false;
};

}  // namespace freshet::ps
