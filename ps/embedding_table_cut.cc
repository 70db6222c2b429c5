// A cut of an embedding table: see ps/change_tracker.h for its protocol.
#include <algorithm>
#include <utility>

#include "common/check.h"
#include "ps/embedding_table.h"
#include "ps/key_stream.h"

namespace freshet::ps {
namespace {

// Of the first columns of a cut; more of them grow as rows are copied.
constexpr size_t kReservedRows = 64U << 10U;
// Rows whose memory is asked for before they are copied.
constexpr size_t kRowsAhead = 16;

}  // namespace

CutSize EmbeddingTable::BeginCut(bool full) {
  in_cut_ = true;
  changes_.Flip(full, rows_.live());
  dirty_keys_.Flip(full);
  if (admission_) {
    admission_->BeginCut(full);
  }
  CutSize size{.rows = changes_.pending(), .tombstones = changes_.tombstones().size()};
  copy_next_ = 0;
  copy_walk_ = 0;
  copy_rows_done_ = false;
  cut_ = format_->MakeColumns(std::min<size_t>(size.rows, kReservedRows));
  cut_.tombstones.assign(changes_.tombstones().begin(), changes_.tombstones().end());
  cut_.clock = has_rules_ ? clock_ : StreamClock();
  if (cold_) {
    cold_cut_ = std::make_unique<ColdColumns>(format_, cut_.clock, cold_->BeginCut(full));
    size.rows += cold_cut_->rows_at_most();
  }
  return size;
}

bool EmbeddingTable::CopyCut(size_t max_rows) {
  if (copy_rows_done_) {
    return admission_ && admission_->CopyCut(max_rows);
  }
  if (dirty_keys_.pending_all()) {
    copy_found_.clear();
    copy_walk_ = index_.Walk(copy_walk_, max_rows, [this](Key key, RowSlot slot) {
      if (changes_.IsPending(slot)) {
        copy_found_.emplace_back(key, slot);
      }
    });
    for (size_t i = 0; i < copy_found_.size(); ++i) {
      if (i + kRowsAhead < copy_found_.size()) {
        rows_.PrefetchRow(copy_found_[i + kRowsAhead].second);
      }
      CopyIfPending(copy_found_[i].first, copy_found_[i].second);
    }
    copy_rows_done_ = copy_walk_ == 0;
    return true;
  }
  const std::span<const Key> left = dirty_keys_.pending().subspan(copy_next_);
  const std::span<const Key> keys = left.first(std::min(max_rows, left.size()));
  ForEachKey(
      index_,
      keys,
      [this](RowSlot slot) { rows_.PrefetchRow(slot); },
      [&](size_t i, RowSlot slot) {
        if (slot != kNoRow) {
          CopyIfPending(keys[i], slot);
        }
      });
  copy_next_ += keys.size();
  copy_rows_done_ = keys.size() == left.size();
  return true;
}

void EmbeddingTable::CopyIfPending(Key key, RowSlot slot) {
  if (changes_.IsPending(slot)) {
    format_->Append(key, rows_.parts(slot), cut_);
    changes_.MarkCopied(slot);
  }
}

EmbeddingRows EmbeddingTable::TakePiece() {
  EmbeddingRows piece = std::exchange(cut_, format_->MakeColumns(cut_.keys.size()));
  cut_.clock = piece.clock;
  return piece;
}

EmbeddingRows EmbeddingTable::TakeCut() {
  FRESHET_DCHECK(changes_.pending() == 0);
  if (admission_) {
    Admission::Columns columns = admission_->TakeCut();
    cut_.candidates = std::move(columns.candidates);
    cut_.filter = std::move(columns.filter);
  }
  return std::exchange(cut_, {});
}

void EmbeddingTable::EndCut(bool committed) {
  if (!in_cut_) {
    return;
  }
  in_cut_ = false;
  changes_.Unflip(committed);
  dirty_keys_.Unflip(committed);
  if (admission_) {
    admission_->EndCut(committed);
  }
  if (cold_) {
    cold_->EndCut(committed);
  }
  copy_rows_done_ = true;
  cut_ = {};
  cold_cut_.reset();
}

}  // namespace freshet::ps
