#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "common/ids.h"
#include "common/version_log/part_file.h"
#include "proto/ps.pb.h"
#include "ps/dense_table.h"
#include "ps/embedding_table.h"
#include "ps/ownership.h"

namespace freshet::ps {

// Some of what a shard adds to a version. The tombstones of a variable come in its first piece,
// with or before all of its rows.
struct CutPiece {
  PartContents contents;
  bool last = false;
  // In the last one, of each variable that has rows on disk: to be read on any thread.
  std::vector<std::unique_ptr<ColdColumns>> cold;
};

// What one owner thread may have in memory, and where the other rows go.
struct ShardStorage {
  ColdStore* store = nullptr;         // null: all rows stay in memory
  uint64_t hot_bytes = 0;             // of tables and dense variables, if there is a store
  uint64_t piece_bytes = 64U << 20U;  // of a cut; there are three of them at a time
};

// Everything that one owner thread owns: its rows of all embedding variables, for thread 0 also the
// server's dense variables, and its part of the cut under way.
// Thread-safety: owner thread only, but for what was published.
class Shard {
 public:
  // Gets what the shard adds to the version, a piece at a time up to the last; or an error, and
  // then nothing more: Aborted if the cut ended first.
  using TakePiece = absl::AnyInvocable<void(StatusOr<CutPiece>)>;

  explicit Shard(uint32_t thread, const ShardStorage& storage = {})
      : thread_(thread), storage_(storage) {}

  // Throws everything away and begins an epoch.
  void Clear(Epoch epoch, const Ownership& ownership);

  // Going to another version without loading all of it, where its model is the one that the tables
  // have: Keep, Touch, TouchChanged, TakeAway, Load of all parts of that version, and LoadedAll as
  // after any load. If any of them fails, Clear must follow; up to TakeAway, Keep may as well.
  //
  // Begins an epoch with everything as it is, but for a cut under way, which is given up.
  // Returns the version that all rows are of which are not marked as changed; 0: of none, and Clear
  // must follow.
  VersionId Keep(Epoch epoch);
  // The rows of a part's keys may differ between that version and the one to come.
  // ResourceExhausted, where rows lie on disk too: these are more keys than memory has room for.
  Status Touch(const PartContents& part);
  // So may the rows that are marked as changed. ResourceExhausted as above, and where rows on disk
  // are not marked by name any more.
  Status TouchChanged();
  // Takes these rows away. Returns their keys, whose rows are to be loaded. Errors are those of the
  // store.
  StatusOr<TouchedKeys> TakeAway(const proto::ModelSpec& model);

  // Work that was meant for another epoch is refused; Aborted says so. So is all work after Fail.
  Status CheckEpoch(Epoch epoch) const;

  // The rows are not what they should be: nothing is done any more until Clear.
  void Fail(const Status& why);

  // Makes the tables of a model that has passed CheckModel. Once after Clear.
  void Declare(const proto::ModelSpec& model);

  // Indices into the model's variables; the model is declared.
  EmbeddingTable& embedding(uint32_t variable) { return *embeddings_[variable]; }

  // Only those that this shard owns.
  DenseTable& dense(uint32_t variable) { return *dense_[variable]; }

  // The clock of the stream, as a push says it, for every embedding variable. Before its rows.
  Status Advance(const StreamClock& clock);

  // About so many rows of each variable are about to be loaded. The model is declared, and no row
  // is there yet.
  void Reserve(size_t rows);

  // Loads what this shard owns of a part; keys of others are skipped. DataLoss if the part does not
  // fit the model. The model is declared.
  Status Load(const PartContents& contents);
  // All parts have been loaded.
  void LoadedAll(VersionId version);
  // Mixes what this shard owns of a part of a base into what it has: `weight` of the part's values
  // where both have a row or variable; state stays. A row that only the part has is loaded.
  Status Blend(const PartContents& contents, float weight);

  // A cut: flip, copy in slices, end; `committed`: as that version.
  CutSize BeginCut(bool full);
  void StartCopy(TakePiece take);
  // Said of each piece but the last: copying does not run ahead of writing by more than two.
  void PieceWritten();
  // A slice of work that can wait: brings rows down to disk if they take more memory than they may;
  // copies some rows if StartCopy asked for it; else gives memory back. True: call again.
  bool WorkBetween();
  void EndCut(std::optional<VersionId> committed);

  std::vector<proto::VariableStats> Stats() const;

  // As of the last PublishSize. Thread-safety: any thread.
  uint64_t rows() const { return published_rows_.load(std::memory_order_relaxed); }

  uint64_t cold_rows() const { return published_cold_rows_.load(std::memory_order_relaxed); }

  uint64_t bytes() const { return published_bytes_.load(std::memory_order_relaxed); }

  uint64_t candidates() const { return published_candidates_.load(std::memory_order_relaxed); }

  // Rows that feature policies took away, in all epochs, by rule.
  EvictedRows evicted() const;

  void PublishSize();

 private:
  StatusOr<EmbeddingTable*> TableOf(const EmbeddingRows& rows);
  void MakeDense(const proto::ModelSpec& model);
  std::vector<uint32_t> OwnRows(const EmbeddingRows& rows) const;
  Status LoadEmbedding(const EmbeddingRows& rows);
  Status LoadDense(const DenseTensor& tensor);
  bool CopySlice();
  bool TidySlice();
  bool OwnsKey(Key key) const;
  CutPiece TakeLastPiece();
  void GiveUpCopy(const Status& why);
  void ForgetTouched();

  // ps/shard_storage.cc. Memory in use beyond what is allowed.
  uint64_t BytesOverBudget() const;
  // ResourceExhausted: touched_, with so many keys more, would take too much of it.
  Status CheckRoomForTouched(uint64_t more) const;
  bool HasHotRows() const;
  Status DemoteSlice(uint64_t over, ColdTable::WhenBusy when_busy);
  // Brings rows down until at most `allowed` bytes are over, or no row is left in memory.
  Status DemoteTo(uint64_t allowed, ColdTable::WhenBusy when_busy);
  // Some of it, between requests. True: there is more to do.
  bool KeepBudget();

  EvictedRows CountEvicted() const;

  const uint32_t thread_;
  const ShardStorage storage_;
  Epoch epoch_;
  Status failed_;
  std::optional<Ownership> ownership_;
  VersionId clean_version_;    // of all rows that are not marked as changed; 0: of none
  TouchedKeys touched_;        // from Keep to TakeAway
  uint64_t touched_keys_ = 0;  // of touched_; up to LoadedAll, for somebody else has them then
  std::vector<std::unique_ptr<EmbeddingTable>> embeddings_;
  std::vector<std::unique_ptr<DenseTable>> dense_;  // null: another shard's
  EvictedRows evicted_before_;                      // by tables of earlier epochs
  TakePiece take_piece_;                            // set while a cut is being copied
  size_t pieces_out_ = 0;                           // taken and not written yet
  size_t copying_ = 0;                              // index into embeddings_
  size_t demoting_ = 0;                             // index into embeddings_, modulo their number
  bool disk_is_full_ = false;                       // when rows were to go down last
  bool budget_is_too_small_ = false;                // said so in this epoch

  std::atomic<uint64_t> published_rows_ = 0;
  std::atomic<uint64_t> published_cold_rows_ = 0;
  std::atomic<uint64_t> published_bytes_ = 0;
  std::atomic<uint64_t> published_candidates_ = 0;
  std::array<std::atomic<uint64_t>, kEvictReasons> published_evicted_{};
  std::atomic<uint64_t> published_beyond_capacity_ = 0;
};

}  // namespace freshet::ps
