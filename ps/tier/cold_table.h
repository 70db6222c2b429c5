#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "common/key.h"
#include "common/status.h"
#include "ps/tier/cold_cut.h"

// The cold rows of one embedding variable in one owner thread, and how they get into versions.
//
// A row is either hot (in the embedding table) or cold (here), never both. To the store it is an
// opaque record of a fixed size. A cold row does not change; it can be put, taken, and erased.
//
// ---- Versions
//
// A cut must contain every row that changed since the last committed one, exactly once, with its
// value at the flip; also rows that are cold, without bringing them up. The embedding table knows
// of each hot row two things, in bits by slot:
//
//   dirty   changed since the last flip
//   in cut  belongs to the cut under way: it was dirty at the flip. Clean once that cut is
//           committed, dirty again if it is not. (The bit `pending`, "still to be copied", is
//           beside these: a pending row is in the cut.)
//
// A row takes these along when it goes cold, as a RowState, and back when it comes up. Inside it is
// a number: the generation of changes that the row belongs to. A flip begins a new generation, a
// commit makes all up to its flip clean, so a state read later is right without anybody touching
// the row in between:
//
//   generation of the record                  state
//   0, or committed                           kClean
//   of the cut under way, or one before it    kInCut
//   any other                                 kDirty
//
// What the embedding table has to do:
//
//   demote   If the row is pending, copy it for the cut first. Put it as kDirty if its dirty bit is
//            set, else as kInCut if its in-cut bit is set, else as kClean. Free the slot, clearing
//            its bits, only after Put has returned OK.
//   promote  Take. Set the dirty bit of a row that comes as kDirty, the in-cut bit of one that
//            comes as kInCut; it is never pending: the scan of the cut finds it as it was at the
//            flip.
//   delete   A hot row as ever, with the pending copy first. Of a key that is not hot, Erase; a row
//            that was cold gets its tombstone like a hot one.
//   flip     In one go, without any other operation on this table in between: in cut := dirty (and
//            what was in cut of a cut that failed is dirty already), dirty := none; BeginCut. Of a
//            base all hot rows are pending; in cut is the old dirty just the same.
//   copy     The hot rows that are pending, here; the rows that ColdCut finds, on any thread. The
//            two have no key in common.
//   end      EndCut with the same outcome as for the hot rows. If it was not committed,
//            dirty |= in cut; in any case in cut := none.
//   rewind   With no cut under way: Erase the rows that ChangedHashes names, and all others that
//            the version has otherwise; MarkAllClean. What is loaded then is hot and clean.
//
// Why each row comes exactly once: at the flip it is hot or cold. If it is hot, the bits above see
// to it, and the snapshot of the ColdCut does not have it, wherever it goes later. If it is cold,
// the snapshot has it as it was, it is in the cut if and only if its generation is not committed,
// and when it comes up later it is not pending.
//
// Rows put as kDirty or kInCut are also remembered by name, so that a cut need not look through all
// cold rows. That list is bounded; if there are more, a cut does look through all of them, by their
// generations, and forgets none.
//
// ---- Rewinds
//
// The same list is what a rewind goes by: a row is put as kDirty or kInCut, or it is clean, so each
// cold row that is not is on the list, once or more, until a cut that holds it is committed; of a
// cut that failed the list goes back. Others may be on it, which came up again since or are gone:
// to load them again costs a little and does no harm. So a changed row costs 8 bytes of memory, and
// a look-up on disk to erase it; a clean one costs nothing. If the list has overflowed, everything
// is loaded: the keys to be loaded would take the memory that the list could not have.
//
// ---- Errors
//
// Put fails without any effect with Unavailable if the disk is behind (the rows stay hot; try again
// with the next step), and with ResourceExhausted if it is full. Both pass: the store recovers by
// itself some seconds after there is room again. Take, Get and Erase only need to read: if the disk
// is full or behind, what has left the table is remembered in memory, and deleted on disk later.
// DataLoss, or any other code: the epoch cannot go on.
namespace freshet::ps {

struct ColdRocks;

enum class RowState : uint8_t {
  kNone,   // there is no such row
  kClean,  // as it is in the last committed version
  kDirty,  // changed since the last flip, or in a cut that failed
  kInCut,  // dirty at the flip of the cut under way
};

// Thread-safety: owner thread only, except where it says otherwise.
//
// Keys of one call to Put are distinct, and none of them is in the table. Elsewhere a key may come
// more than once: Take and Erase find it the first time.
class ColdTable {
 public:
  // Of a Put while the disk is behind.
  enum class WhenBusy {
    kFail,  // Unavailable
    kWait,  // for as long as it takes: to load a version
  };

  // Made by ColdStore::MakeTable.
  ColdTable(std::shared_ptr<ColdRocks> rocks, size_t record_bytes);
  ~ColdTable();
  ColdTable(const ColdTable&) = delete;
  ColdTable& operator=(const ColdTable&) = delete;

  size_t record_bytes() const { return record_bytes_; }

  // Any thread.
  uint64_t rows() const { return rows_.load(std::memory_order_relaxed); }

  // Of keys and records, not counting what the files take beside; any thread.
  uint64_t bytes() const;

  // Of memory that this table takes beside the store's budgets.
  uint64_t memory_bytes() const;

  // keys [n], states [n], not kNone; records [n * record_bytes()].
  Status Put(std::span<const Key> keys,
             std::span<const std::byte> records,
             std::span<const RowState> states,
             WhenBusy when_busy = WhenBusy::kFail);

  // Takes the rows of these keys out of the table. keys [n], states [n]; records
  // [n * record_bytes()], of which those without a row are left as they are.
  Status Take(std::span<const Key> keys, std::span<std::byte> records, std::span<RowState> states);
  // The same, and the rows stay.
  Status Get(std::span<const Key> keys, std::span<std::byte> records, std::span<RowState> states);
  // Deletes the rows of these keys; `states` [n] tells what they were.
  Status Erase(std::span<const Key> keys, std::span<RowState> states);

  // Rows whose mixed hash (SplitMix64 of the key) is in [first, last], by ascending hash: at most
  // `max_rows` of them. Answers with the hash to go on from, or nothing at the end of the range.
  // `visit` must not use the table; between two calls anything may happen to it.
  using Visit = absl::FunctionRef<void(Key key, std::span<const std::byte> record, RowState state)>;
  StatusOr<std::optional<uint64_t>> Scan(uint64_t first,
                                         uint64_t last,
                                         size_t max_rows,
                                         Visit visit);

  // No row is left, no mark and no cut: an epoch begins. Cuts begun before find nothing more, or
  // some of their rows. Takes no time to speak of.
  void Clear();

  // Begins a cut of the rows that are dirty, or with `full` of all rows. Constant time. One cut at
  // a time.
  std::unique_ptr<ColdCut> BeginCut(bool full);
  // The cut under way is over, read to its end or not.
  void EndCut(bool committed);

  // The mixed hashes of all rows that are not clean, in any order; some of them come more than
  // once, or are clean again, or gone. Nothing: they were too many to be remembered. Until the next
  // Put. No cut is under way.
  std::optional<std::span<const uint64_t>> ChangedHashes() const;
  // All rows that are left are clean. No cut is under way.
  void MarkAllClean();

 private:
  // Mixed hashes of rows that were put as changed: some may be gone, or come twice.
  struct Marks {
    std::vector<uint64_t> hashes;
    bool overflowed = false;  // there were too many, and none is kept

    void Add(uint64_t hash, size_t limit);
    void Append(const Marks& marks, size_t limit);
  };

  // The positions of `keys`, by mixed hash, into order_.
  void Order(std::span<const Key> keys);
  // Looks up the keys in order_; of equal ones the first alone, if `once`. records may be empty.
  Status LookUp(bool once, std::span<std::byte> records, std::span<RowState> states);
  // Those in order_ that were found leave the table.
  void RemoveFound(std::span<const RowState> states);
  void DeleteRemembered();
  uint32_t GenerationOf(RowState state) const;
  RowState StateOf(uint32_t generation) const;

  struct Ordered {
    uint64_t hash;
    uint32_t position;
  };

  const std::shared_ptr<ColdRocks> rocks_;
  const size_t record_bytes_;
  uint32_t number_;  // of the table in the store; another one after each Clear
  std::atomic<uint64_t> rows_ = 0;

  // Generations. Those below committed_below_ are clean; generation_ is of rows that are put as
  // dirty now; those between are in the cut under way, if there is one, or else dirty too.
  uint32_t generation_ = 1;
  uint32_t committed_below_ = 1;
  bool cutting_ = false;

  Marks marks_;                                // since the last flip, and of cuts that failed
  std::shared_ptr<const Marks> marks_of_cut_;  // at the flip of the cut under way
  Marks marks_in_cut_;                         // put as kInCut since then

  // Rows that have left the table while RocksDB could not be told so.
  absl::flat_hash_set<uint64_t> to_delete_;

  // Kept from call to call, to save allocations.
  std::vector<Ordered> order_;
};

}  // namespace freshet::ps
