// A cut of an embedding table: see ps/change_tracker.h for its protocol.
#include <algorithm>
#include <utility>

#include "common/check.h"
#include "ps/embedding_table.h"
#include "ps/key_blocks.h"

namespace freshet::ps {

CutSize EmbeddingTable::BeginCut(bool full) {
  in_cut_ = true;
  changes_.Flip(full, rows_.live());
  dirty_keys_.Flip(full);
  if (admission_) {
    admission_->BeginCut(full);
  }
  const CutSize size{.rows = changes_.pending(), .tombstones = changes_.tombstones().size()};
  copy_next_ = 0;
  copy_walk_ = 0;
  copy_rows_done_ = false;
  copied_.clear();
  cut_ = {};
  cut_.variable = name_;
  cut_.value_type = value_type_;
  cut_.dim = dim_;
  cut_.state_dim = state_dim();
  copied_.reserve(size.rows);
  cut_.keys.reserve(size.rows);
  cut_.values.reserve(size.rows * dim_);
  cut_.states.reserve(size.rows * cut_.state_dim);
  cut_.frequencies.reserve(size.rows);
  cut_.last_updates.reserve(size.rows);
  cut_.lives.reserve(rules_.NeedsLife() ? size.rows : 0);
  cut_.served.reserve(rules_.FiltersServing() ? size.rows : 0);
  cut_.tombstones.assign(changes_.tombstones().begin(), changes_.tombstones().end());
  cut_.clock = has_rules_ ? clock_ : StreamClock();
  return size;
}

bool EmbeddingTable::CopyCut(size_t max_rows) {
  if (copy_rows_done_) {
    return admission_ && admission_->CopyCut(max_rows);
  }
  if (dirty_keys_.pending_all()) {
    copy_walk_ = index_.Walk(
        copy_walk_, max_rows, [this](Key key, RowSlot slot) { CopyIfPending(key, slot); });
    copy_rows_done_ = copy_walk_ == 0;
    return true;
  }
  const std::span<const Key> left = dirty_keys_.pending().subspan(copy_next_);
  const std::span<const Key> keys = left.first(std::min(max_rows, left.size()));
  ForEachBlock(
      index_,
      keys,
      [this](RowSlot slot) { rows_.PrefetchRow(slot); },
      [this](size_t, std::span<const Key> block, std::span<const RowSlot> slots) {
        for (size_t i = 0; i < block.size(); ++i) {
          if (slots[i] != kNoRow) {
            CopyIfPending(block[i], slots[i]);
          }
        }
      });
  copy_next_ += keys.size();
  copy_rows_done_ = keys.size() == left.size();
  return true;
}

void EmbeddingTable::CopyIfPending(Key key, RowSlot slot) {
  if (changes_.IsPending(slot)) {
    Copy(key, slot);
  }
}

void EmbeddingTable::Copy(Key key, RowSlot slot) {
  const RowMeta& meta = rows_.meta(slot);
  cut_.keys.push_back(key);
  cut_.frequencies.push_back(meta.frequency);
  cut_.last_updates.push_back(meta.last_update);
  cut_.values.resize(cut_.values.size() + dim_);
  const std::span<float> value = std::span(cut_.values).last(dim_);
  codec_.Read(rows_.value(slot), value);
  const float* const state = rows_.state(slot);
  cut_.states.insert(cut_.states.end(), state, state + cut_.state_dim);
  if (rules_.NeedsLife()) {
    cut_.lives.push_back(*rows_.life(slot));
  }
  if (rules_.FiltersServing()) {
    cut_.served.push_back(rules_.Serves(ViewOf(key, slot, value), cut_.clock) ? 1 : 0);
  }
  copied_.push_back(slot);
  changes_.MarkCopied(slot);
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
  changes_.Unflip(committed, copied_, rows_.live());
  dirty_keys_.Unflip(committed);
  if (admission_) {
    admission_->EndCut(committed);
  }
  copy_rows_done_ = true;
  cut_ = {};
  copied_ = {};
}

}  // namespace freshet::ps
