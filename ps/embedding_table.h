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
#include "common/version_log/touched_keys.h"
#include "proto/model.pb.h"
#include "ps/change_tracker.h"
#include "ps/dirty_keys.h"
#include "ps/initializer.h"
#include "ps/life/admission.h"
#include "ps/life/feature_rules.h"
#include "ps/life/sweep.h"
#include "ps/optimizer/optimizer.h"
#include "ps/row_bits.h"
#include "ps/row_format.h"
#include "ps/row_index.h"
#include "ps/row_store.h"
#include "ps/tier/cold_columns.h"
#include "ps/tier/cold_store.h"
#include "ps/tier/cold_table.h"

namespace freshet::ps {

// What a cut will hold of one or more tables.
struct CutSize {
  uint64_t rows = 0;  // of those on disk, at most so many
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
//
// With a store for cold rows a row is either hot, in memory, or cold, in the store. A batch that
// touches a cold row brings it up; rows that nobody touched for a while go down when the owner
// demotes. It shows in nothing but the time that it takes: see ps/tier/cold_table.h.
//
// Errors of the functions that return a status are those of the store, which is broken then: the
// epoch cannot go on. A table without a store has none.
// Thread-safety: owner thread only.
class EmbeddingTable {
 public:
  // The variable has passed CheckModel. `store`: for rows that do not fit into memory, or null; it
  // outlives the table.
  explicit EmbeddingTable(const proto::EmbeddingVariable& variable,
                          const KeyShare& share = {},
                          ColdStore* store = nullptr);

  const std::string& name() const { return format_->name(); }

  uint32_t dim() const { return dim_; }

  uint32_t state_dim() const { return optimizer_->state_dim(); }

  uint64_t rows() const { return rows_.rows() + cold_rows(); }

  // Of these, those that are on disk.
  uint64_t cold_rows() const { return cold_ ? cold_->rows() : 0; }

  // Of memory that the table has taken.
  uint64_t bytes() const { return rows_.bytes() + BytesBesideRows(); }

  // Of these, what is in use: slots that wait for a row do not count.
  uint64_t bytes_in_use() const { return rows_.rows() * rows_.bytes_per_row() + BytesBesideRows(); }

  // What the rows of a hot key take.
  size_t bytes_per_row() const { return rows_.bytes_per_row(); }

  // Keys that are counted exactly and have no row yet.
  uint64_t candidates() const { return admission_ ? admission_->candidates() : 0; }

  const EvictedRows& evicted() const { return evicted_; }

  // A key without a row yields the initial value, or the policy's default if it would need to be
  // admitted first, and makes no row. keys, positions [n];
  // values [.. * dim]. Allocates nothing if all rows are hot. `slot`: as in PushContext.
  Status Pull(std::span<const Key> keys,
              std::span<const uint32_t> positions,
              std::span<float> values,
              uint32_t slot = 0);

  // Makes rows for new keys that are admitted, then applies one gradient per key. A key that comes
  // twice is applied twice. gradients [.. * dim].
  Status Push(std::span<const Key> keys,
              std::span<const uint32_t> positions,
              std::span<const float> gradients,
              const PushContext& context);

  // The stream has come so far, here or in another table: said of every push, before its keys.
  // Takes away the rows whose turn it is to be judged and that a rule evicts.
  Status Advance(const StreamClock& clock);

  // These keys will be pulled soon: brings their rows up.
  Status Announce(std::span<const Key> keys);

  // Forgets all that is known of the keys. Returns how many of them had a row.
  StatusOr<uint64_t> Delete(std::span<const Key> keys);

  // How many rows the rules would take away if all were judged now, and which rule.
  StatusOr<EvictedRows> WouldEvict();
  // Takes these rows away, and forgets the candidates that the rules forget. Returns how many rows.
  StatusOr<EvictedRows> EvictAll();

  // In words, a line each: what is known of the key and what the rules make of it.
  StatusOr<std::vector<std::string>> Explain(Key key, uint32_t slot);

  // Brings rows that nobody has touched since the last look down to disk: looks at about
  // `max_rows`. A clock (Corbato 1968): its hand goes around all hot rows; a row that was touched
  // since it last came by stays, and is passed over this once. There is a store.
  struct Demotion {
    size_t rows = 0;       // that went down
    bool wrapped = false;  // the hand has been around
  };

  // Unavailable: the disk is behind, unless `when_busy` says to wait; ResourceExhausted: it is
  // full. Then nothing has changed.
  StatusOr<Demotion> Demote(size_t max_rows, ColdTable::WhenBusy when_busy);

  // Work that can wait, in small steps: gives memory back when much of it is free. False: nothing
  // to do now.
  bool Tidy();

  // Begins a cut of the rows changed since the last one, or with `full` of all rows.
  CutSize BeginCut(bool full);
  // Copies up to `max_rows` rows of the cut; false when none is left.
  bool CopyCut(size_t max_rows);

  // Of what was copied and not taken yet.
  size_t copied_bytes() const { return cut_.keys.size() * format_->column_bytes_per_row(); }

  // What was copied so far, in no particular order; the first piece has the tombstones.
  EmbeddingRows TakePiece();
  // The rest, once, after the last CopyCut.
  EmbeddingRows TakeCut();

  // The cold rows of the cut, to be read on any thread; null without a store. Once.
  std::unique_ptr<ColdColumns> TakeColdCut() { return std::move(cold_cut_); }

  // Not committed: the rows and tombstones of the cut go into the next one.
  void EndCut(bool committed);

  // How many keys AddChanged adds, at most. Nothing: of rows on disk nobody knows any more which
  // changed. No cut is under way.
  std::optional<uint64_t> ChangedAtMost() const;

  // The keys of all rows that changed, came or went since the last cut that was committed, or since
  // the rows were loaded; of rows on disk perhaps some more. ChangedAtMost tells that they are
  // known. Reads nothing from disk.
  void AddChanged(TouchedKeys::Keys* keys) const;

  // Takes the rows of these keys away, among which are all that AddChanged tells, and everything
  // that is known of keys without a row. The table is clean then; Load follows, of each part of a
  // version, for these keys. After an error the table is of no use.
  Status TakeAway(const TouchedKeys::Keys& keys);

  // So many rows are about to be loaded, as far as one can tell. Only while the table is empty.
  void Reserve(size_t rows) { index_.Reserve(rows); }

  // From a version: deletes `tombstones`, then sets the rows at `picked` of `rows`, whose columns
  // have this table's widths. They are clean. What admission counted is taken for keys that `owns`
  // says are ours. `make_room` is called between blocks of rows, and may demote.
  // DataLoss: columns that do not fit the policy.
  Status Load(
      const EmbeddingRows& rows,
      std::span<const uint32_t> picked,
      std::span<const Key> tombstones,
      absl::FunctionRef<bool(Key)> owns,
      absl::FunctionRef<Status()> make_room = [] { return absl::OkStatus(); });

  // From a base of another log: values at `picked` of `rows` are mixed in, `weight` of them; state
  // and what is known of the feature stay. A row that is not here yet is set as by Load. The rows
  // are not marked as changed: the next cut is to be a full one.
  // `make_room` and errors as in Load, and those of reading from the store.
  Status Blend(
      const EmbeddingRows& rows,
      std::span<const uint32_t> picked,
      float weight,
      absl::FunctionRef<Status()> make_room = [] { return absl::OkStatus(); });

 private:
  struct Doomed {
    std::vector<Key> keys;
    EvictedRows count;
  };

  // Keys of a batch that are not hot, and where each lies in the batch.
  struct Missing {
    std::vector<Key> keys;
    std::vector<uint32_t> positions;

    void Add(Key key, size_t position) {
      keys.push_back(key);
      positions.push_back(static_cast<uint32_t>(position));
    }

    void Clear() {
      keys.clear();
      positions.clear();
    }
  };

  uint64_t BytesBesideRows() const {
    return index_.bytes() + changes_.bytes() + dirty_keys_.bytes() +
           (admission_ ? admission_->bytes() : 0) +
           (cold_ ? referenced_.bytes() + cold_->memory_bytes() : 0);
  }

  // Keys that are not hot go to `missing`; unless that is null, when they have no row at all.
  void PullHot(std::span<const Key> keys,
               std::span<const uint32_t> positions,
               std::span<float> values,
               uint32_t slot,
               Missing* missing);
  void PushHot(std::span<const Key> keys,
               std::span<const uint32_t> positions,
               std::span<const float> gradients,
               const PushContext& context,
               Missing* missing);

  // The key's row is about to change: what is known of it beside value and state.
  void TouchRow(Key key, RowSlot slot, KeyCount count, const PushContext& context);
  // The same for a key that had no row when it was looked up, a while ago: its slot, where a row is
  // made if the key is admitted; kNoRow if it is not.
  RowSlot TouchNew(Key key, KeyCount count, const PushContext& context);
  // A slot for the key, which is in the index then; its row is whatever was there.
  RowSlot MakeSlot(Key key);
  RowSlot MakeRow(Key key);
  void FreeSlot(Key key, RowSlot slot);
  void DeleteRow(Key key, RowSlot slot);
  void InitialValue(Key key, std::span<float> value) const;
  // Of a value that is stored in 16 bits.
  void ApplyRounded(Key key, RowSlot slot, const float* gradient, uint64_t step);
  Status CheckColumns(const EmbeddingRows& rows) const;
  void SetRow(const EmbeddingRows& rows, uint32_t row, RowSlot slot);
  void MixRow(const EmbeddingRows& rows, uint32_t row, float weight, RowSlot slot);

  // Of the rows on disk.
  bool has_cold() const { return cold_ && cold_->rows() > 0; }

  // Makes those of the keys hot that are cold.
  Status BringUp(std::span<const Key> keys);
  // Deletes those of the keys that are cold. Returns how many they were.
  StatusOr<uint64_t> EraseCold(std::span<const Key> keys);
  // The same while a version is loaded: no delta needs to say so.
  Status EraseUnmarked(std::span<const Key> keys);
  // What AddChanged tells of rows on disk.
  void AddChangedCold(TouchedKeys::Keys* keys) const;
  // Of the keys that TakeAway was told, those that are not hot.
  Status TakeAwayCold(std::vector<Key> keys);
  Status PutCold(std::span<const std::pair<Key, RowSlot>> victims, ColdTable::WhenBusy when_busy);

  // The rows of a range of hashes that the rules take away now.
  StatusOr<Doomed> FindDoomed(const HashRange& range);
  StatusOr<EvictedRows> Evict(const HashRange& range);
  // Calls visit(key, parts) for all rows of a range of hashes, hot and cold.
  Status ForEachRow(const HashRange& range,
                    absl::FunctionRef<void(Key key, const RowParts& row)> visit);

  void MarkDirty(Key key, RowSlot slot);
  void CopyIfPending(Key key, RowSlot slot);

  const std::unique_ptr<Optimizer> optimizer_;
  // Shared with cuts, which may outlive the table.
  const std::shared_ptr<const RowFormat> format_;
  const uint32_t dim_;
  const ValueCodec& codec_;    // of format_
  const FeatureRules& rules_;  // of format_
  const KeyShare share_;
  const RowInitializer initializer_;
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

  // The rows on disk.
  std::unique_ptr<ColdTable> cold_;  // null without a store
  RowBits referenced_;               // touched since the hand of the clock last came by
  uint64_t hand_ = 0;                // where the walk of the clock goes on
  Missing missing_;
  std::vector<std::byte> records_;  // kept from call to call, to save allocations
  std::vector<RowState> states_;

  // Of the cut under way.
  EmbeddingRows cut_;
  std::unique_ptr<ColdColumns> cold_cut_;
  size_t copy_next_ = 0;                             // of dirty_keys_.pending()
  uint64_t copy_walk_ = 0;                           // where the walk over all keys goes on
  std::vector<std::pair<Key, RowSlot>> copy_found_;  // by a step of the walk; kept for the next
  bool copy_rows_done_ = true;
  bool in_cut_ = false;

  // Of the walk that moves rows from the end to free slots.
  bool tidying_ = false;
  uint64_t tidy_walk_ = 0;
  RowSlot tidy_end_ = 0;  // rows from here on move
};

}  // namespace freshet::ps
