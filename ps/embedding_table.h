#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/feature_life.h"
#include "common/key.h"
#include "common/version_log/part_file.h"
#include "proto/model.pb.h"
#include "ps/change_tracker.h"
#include "ps/dirty_keys.h"
#include "ps/initializer.h"
#include "ps/optimizer/optimizer.h"
#include "ps/row_index.h"
#include "ps/row_store.h"

namespace freshet::ps {

// What a cut will hold of one or more tables.
struct CutSize {
  uint64_t rows = 0;
  uint64_t tombstones = 0;
};

// What a push says of all its keys.
struct PushContext {
  uint32_t event_time_s = 0;
  uint64_t step = 0;  // of the stream (PushRequest.stream_step)
  uint32_t slot = 0;  // of the keys (KeyRun.slot)
  // As often as this the keys were seen, in the layout of the gradients' rows. Empty: once each.
  std::span<const KeyCount> counts = {};
};

// The rows of one embedding variable that one owner thread holds: key -> value, optimizer state,
// metadata. Every 64-bit key is allowed.
//
// Pull and Push work on any subset of a batch: row i of the call lies at positions[i] of the
// caller's array, or at i if `positions` is empty.
// Thread-safety: owner thread only.
class EmbeddingTable {
 public:
  // The variable has passed CheckModel.
  explicit EmbeddingTable(const proto::EmbeddingVariable& variable);

  const std::string& name() const { return name_; }

  uint32_t dim() const { return dim_; }

  uint32_t state_dim() const { return optimizer_->state_dim(); }

  uint64_t rows() const { return rows_.rows(); }

  uint64_t bytes() const {
    return rows_.bytes() + index_.bytes() + changes_.bytes() + dirty_keys_.bytes();
  }

  // A key without a row yields the initial value and makes no row. keys, positions [n];
  // values [.. * dim]. Allocates nothing. `slot`: as in PushContext.
  void Pull(std::span<const Key> keys,
            std::span<const uint32_t> positions,
            std::span<float> values,
            uint32_t slot = 0) const;

  // Makes rows for new keys, then applies one gradient per key. A key that comes twice is applied
  // twice. gradients [.. * dim].
  void Push(std::span<const Key> keys,
            std::span<const uint32_t> positions,
            std::span<const float> gradients,
            const PushContext& context);

  // The stream has come so far, here or in another table: said of every push, before its keys.
  void Advance(const StreamClock& clock);

  // These keys will be pulled soon. A hint, for rows that lie on disk.
  void Announce(std::span<const Key> keys);

  // Returns how many of the keys had a row.
  uint64_t Delete(std::span<const Key> keys);

  // Begins a cut of the rows changed since the last one, or with `full` of all rows.
  CutSize BeginCut(bool full);
  // Copies up to `max_rows` rows of the cut; false when none is left.
  bool CopyCut(size_t max_rows);
  // What was copied, in no particular order; once, after the last CopyCut.
  EmbeddingRows TakeCut();
  // Not committed: the rows and tombstones of the cut go into the next one.
  void EndCut(bool committed);

  // From a version: deletes `tombstones`, then sets the rows at `picked` of `rows`, whose columns
  // have this table's widths. They are clean.
  void Load(const EmbeddingRows& rows,
            std::span<const uint32_t> picked,
            std::span<const Key> tombstones);

 private:
  RowSlot MakeRow(Key key);
  void DeleteRow(Key key, RowSlot slot);
  void MarkDirty(Key key, RowSlot slot);
  void CopyIfPending(Key key, RowSlot slot);
  void Copy(Key key, RowSlot slot);

  const std::string name_;
  const uint32_t dim_;
  const RowInitializer initializer_;
  const std::unique_ptr<Optimizer> optimizer_;
  RowStore rows_;
  RowIndex index_;
  ChangeTracker changes_;
  DirtyKeys dirty_keys_;

  // Of the cut under way.
  EmbeddingRows cut_;
  std::vector<RowSlot> copied_;
  size_t copy_next_ = 0;    // of the tracker's pending keys
  uint64_t copy_walk_ = 0;  // where the walk over all keys goes on
  bool copy_done_ = true;
};

}  // namespace freshet::ps
