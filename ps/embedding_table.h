#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "common/cluster/partition_map.h"
#include "common/feature_life.h"
#include "common/key.h"
#include "common/status.h"
#include "common/version_log/part_file.h"
#include "proto/model.pb.h"
#include "ps/change_tracker.h"
#include "ps/dirty_keys.h"
#include "ps/initializer.h"
#include "ps/life/admission.h"
#include "ps/life/feature_rules.h"
#include "ps/life/sweep.h"
#include "ps/optimizer/optimizer.h"
#include "ps/row_index.h"
#include "ps/row_store.h"
#include "ps/value_codec.h"

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

// Which part of all keys an owner thread has.
struct KeyShare {
  PartitionMap partitions = PartitionMap(1, 1);
  uint32_t owned_partitions = 1;
};

// Rows that a feature policy took away, by the rule that did, since the table was made.
struct EvictedRows {
  std::array<uint64_t, kEvictReasons> by_reason{};  // by EvictReason
  uint64_t capacity = 0;

  EvictedRows& operator+=(const EvictedRows& other) {
    for (size_t reason = 0; reason < kEvictReasons; ++reason) {
      by_reason[reason] += other.by_reason[reason];
    }
    capacity += other.capacity;
    return *this;
  }
};

// The rows of one embedding variable that one owner thread holds: key -> value, optimizer state,
// metadata. Every 64-bit key is allowed.
//
// Pull and Push work on any subset of a batch: row i of the call lies at positions[i] of the
// caller's array, or at i if `positions` is empty.
//
// A feature policy (docs/features.md) decides which keys get a row and which rows go again; what it
// counts of keys without a row is part of the table and of its cuts.
// Thread-safety: owner thread only.
class EmbeddingTable {
 public:
  // The variable has passed CheckModel.
  explicit EmbeddingTable(const proto::EmbeddingVariable& variable, const KeyShare& share = {});

  const std::string& name() const { return name_; }

  uint32_t dim() const { return dim_; }

  uint32_t state_dim() const { return optimizer_->state_dim(); }

  uint64_t rows() const { return rows_.rows(); }

  uint64_t bytes() const {
    return rows_.bytes() + index_.bytes() + changes_.bytes() + dirty_keys_.bytes() +
           (admission_ ? admission_->bytes() : 0);
  }

  // Keys that are counted exactly and have no row yet.
  uint64_t candidates() const { return admission_ ? admission_->candidates() : 0; }

  const EvictedRows& evicted() const { return evicted_; }

  // A key without a row yields the initial value, or the policy's default if it would need to be
  // admitted first, and makes no row. keys, positions [n];
  // values [.. * dim]. Allocates nothing. `slot`: as in PushContext.
  void Pull(std::span<const Key> keys,
            std::span<const uint32_t> positions,
            std::span<float> values,
            uint32_t slot = 0) const;

  // Makes rows for new keys that are admitted, then applies one gradient per key. A key that comes
  // twice is applied twice. gradients [.. * dim].
  void Push(std::span<const Key> keys,
            std::span<const uint32_t> positions,
            std::span<const float> gradients,
            const PushContext& context);

  // The stream has come so far, here or in another table: said of every push, before its keys.
  // Takes away the rows whose turn it is to be judged and that a rule evicts.
  void Advance(const StreamClock& clock);

  // These keys will be pulled soon. A hint, for rows that lie on disk.
  void Announce(std::span<const Key> keys);

  // Forgets all that is known of the keys. Returns how many of them had a row.
  uint64_t Delete(std::span<const Key> keys);

  // How many rows the rules would take away if all were judged now, and which rule.
  EvictedRows WouldEvict() const;

  // In words, a line each: what is known of the key and what the rules make of it.
  std::vector<std::string> Explain(Key key, uint32_t slot) const;

  // Work that can wait, in small steps: gives memory back when much of it is free. False: nothing
  // to do now.
  bool Tidy();

  // Begins a cut of the rows changed since the last one, or with `full` of all rows.
  CutSize BeginCut(bool full);
  // Copies up to `max_rows` rows of the cut; false when none is left.
  bool CopyCut(size_t max_rows);
  // What was copied, in no particular order; once, after the last CopyCut.
  EmbeddingRows TakeCut();
  // Not committed: the rows and tombstones of the cut go into the next one.
  void EndCut(bool committed);

  // From a version: deletes `tombstones`, then sets the rows at `picked` of `rows`, whose columns
  // have this table's widths. They are clean. What admission counted is taken for keys that `owns`
  // says are ours. DataLoss: columns that do not fit the policy.
  Status Load(const EmbeddingRows& rows,
              std::span<const uint32_t> picked,
              std::span<const Key> tombstones,
              absl::FunctionRef<bool(Key)> owns);

 private:
  struct Doomed {
    std::vector<Key> keys;
    EvictedRows count;
  };

  // The key's row is about to change: what is known of it beside value and state.
  void TouchRow(Key key, RowSlot slot, KeyCount count, const PushContext& context);
  // The same for a key that had no row when its block was looked up: its slot, where a row is made
  // if the key is admitted; kNoRow if it is not. `may_be_there`: it may have come in this block.
  RowSlot TouchNew(Key key, bool may_be_there, KeyCount count, const PushContext& context);
  RowSlot MakeRow(Key key);
  void DeleteRow(Key key, RowSlot slot);
  void InitialValue(Key key, std::span<float> value) const;
  void ApplyInPlace(std::span<const RowSlot> slots,
                    std::span<const float* const> gradients,
                    uint64_t step);
  void ApplyRounded(std::span<const Key> keys,
                    std::span<const RowSlot> slots,
                    std::span<const float* const> gradients,
                    uint64_t step);

  // What the rules see of a row. `value` [dim] is where its value goes if it is stored in 16 bits.
  RowView ViewOf(Key key, RowSlot slot, std::span<float> value) const;
  // The rows of a range of hashes that the rules take away now.
  Doomed FindDoomed(const HashRange& range) const;
  void Evict(const HashRange& range);

  void MarkDirty(Key key, RowSlot slot);
  void CopyIfPending(Key key, RowSlot slot);
  void Copy(Key key, RowSlot slot);

  const std::string name_;
  const uint32_t dim_;
  const proto::ValueType value_type_;
  const KeyShare share_;
  const RowInitializer initializer_;
  const std::unique_ptr<Optimizer> optimizer_;
  const ValueCodec codec_;

  const FeatureRules rules_;
  const bool has_rules_;
  const bool evicts_;

  RowStore rows_;
  RowIndex index_;
  ChangeTracker changes_;
  DirtyKeys dirty_keys_;
  std::vector<float> scratch_;  // [dim], a value that is stored in 16 bits

  // The feature policy.
  std::optional<Admission> admission_;  // if there are rules
  StreamClock clock_;
  EvictedRows evicted_;

  // Of the cut under way.
  EmbeddingRows cut_;
  std::vector<RowSlot> copied_;
  size_t copy_next_ = 0;    // of dirty_keys_.pending()
  uint64_t copy_walk_ = 0;  // where the walk over all keys goes on
  bool copy_rows_done_ = true;
  bool in_cut_ = false;

  // Of the walk that moves rows from the end to free slots.
  bool tidying_ = false;
  uint64_t tidy_walk_ = 0;
  RowSlot tidy_end_ = 0;  // rows from here on move
};

}  // namespace freshet::ps
