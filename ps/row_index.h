#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "common/key.h"
#include "ps/mapped_array.h"
#include "ps/row_bits.h"

namespace freshet::ps {

// Which slot holds a key's row. Hashing with open addressing, in buckets of one cache line:
//
//   bucket   words [7] uint64_t    one cell each
//            high  [7] uint8_t     of the cells' slots
//   word     4 bits   displacement + 1: how far behind its home bucket the cell lies; 0: empty
//            64 - k   code: what of the key the home bucket does not tell
//            k - 4    the low bits of the slot; the next 8 are in high[]
//
// where 2^k <= buckets < 2^(k + 1). The key's hash x = SplitMix64(key), a bijection, is multiplied
// by the number of buckets, as 128 bits: the upper half is the home bucket (Lemire 2019), the lower
// half without its last k bits the code. Two hashes with one home differ by at least 1, their
// products by at least 2^k, so their codes differ: a cell tells its key exactly, though only 9
// bytes are spent on key and slot together. Every 64-bit key is allowed.
//
// A full bucket pushes the cell with the smallest displacement on to the next one (Robin Hood
// hashing, Celis 1986), so that displacements stay small up to 9/10 full. Invariants: the cells of
// a bucket stand at its front; all buckets from a cell's home up to it are full; from bucket to
// bucket cells are in the order of their homes.
//
// Homes are in the order of hashes. So the table grows by three tenths in place: from the last home
// to the first, cells move up to where the larger number of buckets puts them, some with each
// insertion. While that goes on, homes before frontier_ are where layout() says, the others where
// next() says. No insertion ever waits for the whole table: a key that finds no place meanwhile is
// kept aside.
// Thread-safety: owner thread only.
class RowIndex {
 public:
  // A block of keys is looked up in three steps, so that the misses of many keys overlap: Prepare,
  // FindNear, FindFurther. Other work is done in between; it may insert keys, but erase none.
  static constexpr size_t kBlock = 16;

  struct Search {
    uint32_t count;                       // of keys
    uint32_t further_count;               // of keys not found by FindNear
    std::array<uint8_t, kBlock> further;  // which
    std::array<uint64_t, kBlock> hashes;
    std::array<RowSlot, kBlock> slots;  // in the end, where each key's row is, or kNoRow
  };

  // At most kBlock keys.
  void Prepare(std::span<const Key> keys, Search& search) const;
  void FindNear(Search& search) const;
  void FindFurther(Search& search) const;

  // kNoRow if the key is not there.
  RowSlot Find(Key key) const;

  // Room for so many keys, so that the table need not grow on the way there. Only while it is
  // empty.
  void Reserve(size_t keys);

  // The key is not there yet. `slot` is below the largest number of keys that there ever were.
  void Insert(Key key, RowSlot slot);

  // The slot that the key had; kNoRow if it was not there.
  RowSlot Erase(Key key);

  // Calls visit(key, slot) for all keys with first <= SplitMix64(key) <= last, in no certain order.
  // The table does not change meanwhile.
  void ForEach(uint64_t first,
               uint64_t last,
               absl::FunctionRef<void(Key key, RowSlot slot)> visit) const;

  // A walk over all keys in small steps, between which the table may change; what stays in it is
  // visited once. Begins with hash 0. A step visits about `keys` keys and returns where the next
  // one begins: 0 after the last.
  uint64_t Walk(uint64_t from,
                size_t keys,
                absl::FunctionRef<void(Key key, RowSlot slot)> visit) const;

  // The key is there, and its row has moved.
  void SetSlot(Key key, RowSlot slot);

  size_t size() const { return size_; }

  uint64_t bytes() const { return cells_.bytes() + crowded_.capacity() * sizeof(Homeless); }

 private:
  static constexpr size_t kCells = 7;
  static constexpr uint64_t kOneFurther = uint64_t{1} << 60U;  // one more of displacement
  static constexpr uint64_t kFurthest = 14;                    // displacement

  struct alignas(64) Bucket {
    uint64_t words[kCells];
    uint8_t high[kCells];
    uint8_t unused;
  };

  // How hashes and slots are laid out in cells.
  struct Layout {
    explicit Layout(uint64_t buckets);
    Layout() = default;

    uint64_t buckets = 0;
    uint32_t bits = 0;        // k
    uint32_t low_bits = 0;    // of the slot, in the word: k - 4
    uint64_t reciprocal = 0;  // (2^(64 + k) - 1) / buckets
  };

  // Where to look for a key: the word that its cell would have at home, slot bits zero.
  struct Place {
    const Layout* layout;
    uint64_t home;
    uint64_t word;
  };

  struct Cell {
    uint64_t word;
    uint8_t high;
  };

  // A cell, and in which bucket it lies or should lie.
  struct Position {
    uint64_t bucket;
    size_t cell;
  };

  // A key that found no place near its home.
  struct Homeless {
    uint64_t hash;
    RowSlot slot;
  };

  const Layout& layout() const { return layouts_[0]; }

  // While it grows; else no buckets.
  const Layout& next() const { return layouts_[1]; }

  bool growing() const { return next().buckets != 0; }

  // By an index, not a branch: while the table grows none could be foreseen.
  Place PlaceOf(uint64_t hash) const {
    return PlaceIn(layouts_[HomeIn(layout(), hash) < frontier_ ? 0 : 1], hash);
  }

  static uint64_t HomeIn(const Layout& layout, uint64_t hash);

  static Place PlaceIn(const Layout& layout, uint64_t hash);
  static Cell MakeCell(const Place& place, RowSlot slot);
  static RowSlot SlotOf(const Layout& layout, uint64_t word, uint8_t high);
  static uint64_t HashOf(const Layout& layout, uint64_t bucket, uint64_t word);
  // The smallest hash whose home is not before `home`.
  static uint64_t FirstHashOf(const Layout& layout, uint64_t home);

  static bool IsFull(const Bucket& bucket) { return bucket.words[kCells - 1] != 0; }

  static size_t CellsIn(const Bucket& bucket);
  // The first cell of those that are least far from their homes. The bucket is full.
  static size_t Nearest(const Bucket& bucket);

  RowSlot FindHash(uint64_t hash) const;
  RowSlot FindCrowded(uint64_t hash) const;
  RowSlot SlotAt(const Place& place, const Position& at) const;
  static unsigned Matches(const Bucket& bucket, uint64_t wanted, uint32_t low_bits);
  void FindNearAvx2(Search& search) const;
  void FindFurtherAvx2(Search& search) const;
  std::optional<Position> FindCell(const Place& place) const;
  void InsertHash(uint64_t hash, RowSlot slot);
  std::optional<Homeless> Put(uint64_t hash, RowSlot slot);
  // Cells behind it move up, towards their homes.
  void Remove(Position at);
  void VisitHomes(const Layout& layout,
                  uint64_t first_home,
                  uint64_t last_home,
                  uint64_t first,
                  uint64_t last,
                  absl::FunctionRef<void(Key, RowSlot)> visit) const;

  uint64_t LargerBuckets() const;

  // Memory for the next larger table.
  bool HasRoom() const { return cells_.size() > LargerBuckets(); }

  void MakeRoom();
  void StartGrowing();
  void MoveHomes(uint64_t homes);
  void MoveHome(uint64_t home);
  void FinishGrowing();

  MappedArray<Bucket> cells_;
  std::array<Layout, 2> layouts_;
  uint64_t frontier_ = UINT64_MAX;                  // homes of layout() from here on have moved
  size_t size_ = 0;                                 // crowded_ included
  absl::flat_hash_map<uint64_t, RowSlot> crowded_;  // by hash
};

}  // namespace freshet::ps
