#pragma once
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "common/key.h"
#include "ps/mapped_array.h"
#include "ps/prefetch.h"
#include "ps/row_bits.h"
#include "ps/simd.h"

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
  // Which instructions compare a bucket's cells.
  enum class Simd { kNone, kAvx2, kAvx512 };

  // The best that this machine has.
  static Simd BestSimd();

  // A look-up in three steps, each of which fetches what the next one reads, so that the misses of
  // many keys overlap (ps/key_stream.h). hash = SplitMix64(key). Other work is done in between; it
  // may insert keys, but erase none.
  void FetchHome(uint64_t hash) const { Prefetch(cells_.data() + PlaceOf(hash).home); }

  // kNoRow: not in its home bucket.
  template <Simd kSimd>
  RowSlot FindAtHome(uint64_t hash) const;
  // For such a key: from its home on, as cells may have moved meanwhile. kNoRow: not there.
  template <Simd kSimd>
  RowSlot FindFromHome(uint64_t hash) const;

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
  using Uint128 = unsigned __int128;

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

  // While the table grows, by an index and not a branch: none could be foreseen.
  Place PlaceOf(uint64_t hash) const {
    if (!growing()) [[likely]] {
      return PlaceIn(layout(), hash);
    }
    return PlaceIn(layouts_[HomeIn(layout(), hash) < frontier_ ? 0 : 1], hash);
  }

  static uint64_t HomeIn(const Layout& layout, uint64_t hash) {
    return static_cast<uint64_t>(Uint128{hash} * layout.buckets >> 64U);
  }

  static Place PlaceIn(const Layout& layout, uint64_t hash) {
    const Uint128 product = Uint128{hash} * layout.buckets;
    const uint64_t code = static_cast<uint64_t>(product) >> layout.bits;
    return {.layout = &layout,
            .home = static_cast<uint64_t>(product >> 64U),
            .word = kOneFurther | code << layout.low_bits};
  }

  static Cell MakeCell(const Place& place, RowSlot slot);

  static RowSlot SlotOf(const Layout& layout, uint64_t word, uint8_t high) {
    const uint64_t low = word & ((uint64_t{1} << layout.low_bits) - 1);
    return static_cast<RowSlot>(uint64_t{high} << layout.low_bits | low);
  }

  static uint64_t HashOf(const Layout& layout, uint64_t bucket, uint64_t word);
  // The smallest hash whose home is not before `home`.
  static uint64_t FirstHashOf(const Layout& layout, uint64_t home);

  static bool IsFull(const Bucket& bucket) { return bucket.words[kCells - 1] != 0; }

  static size_t CellsIn(const Bucket& bucket);
  // The first cell of those that are least far from their homes. The bucket is full.
  static size_t Nearest(const Bucket& bucket);

  RowSlot FindCrowded(uint64_t hash) const;
  RowSlot SlotAt(const Place& place, const Position& at) const;

  // Of one of the cells that match.
  static RowSlot SlotIn(const Bucket& bucket, unsigned matches, const Layout& layout) {
    const auto cell = static_cast<size_t>(std::countr_zero(matches));
    return SlotOf(layout, bucket.words[cell], bucket.high[cell]);
  }

  // A bit for each cell of the key whose place it is.
  template <Simd kSimd>
  static unsigned Matches(const Bucket& bucket, const Place& place);
  // A bit for each cell whose word, but for the bits of the slot, is `wanted`.
  static unsigned MatchesAvx512(const Bucket& bucket, uint64_t wanted, uint32_t low_bits);
  static unsigned MatchesAvx2(const Bucket& bucket, uint64_t wanted, uint32_t low_bits);
  static unsigned MatchesPlain(const Bucket& bucket, uint64_t wanted, uint32_t low_bits);
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

inline unsigned RowIndex::MatchesPlain(const Bucket& bucket, uint64_t wanted, uint32_t low_bits) {
  unsigned matches = 0;
  for (size_t cell = 0; cell < kCells; ++cell) {
    matches |= ((bucket.words[cell] ^ wanted) >> low_bits == 0 ? 1U : 0U) << cell;
  }
  return matches;
}

#if defined(__x86_64__)
__attribute__((target("avx512f"))) inline unsigned RowIndex::MatchesAvx512(const Bucket& bucket,
                                                                           uint64_t wanted,
                                                                           uint32_t low_bits) {
  constexpr __mmask8 kAllCells = (1U << kCells) - 1;
  const __m128i slot_bits = _mm_cvtsi32_si128(static_cast<int>(low_bits));
  const __m512i words =
      _mm512_xor_si512(_mm512_load_si512(&bucket), _mm512_set1_epi64(static_cast<int64_t>(wanted)));
  // Masked, as g++ 12 warns of what the plain one leaves undefined.
  const __m512i differ = _mm512_maskz_srl_epi64(kAllCells, words, slot_bits);
  return _mm512_mask_testn_epi64_mask(kAllCells, differ, differ);
}

__attribute__((target("avx2"))) inline unsigned RowIndex::MatchesAvx2(const Bucket& bucket,
                                                                      uint64_t wanted,
                                                                      uint32_t low_bits) {
  constexpr unsigned kAllCells = (1U << kCells) - 1;
  const __m256i zero = _mm256_setzero_si256();
  const __m128i slot_bits = _mm_cvtsi32_si128(static_cast<int>(low_bits));
  const auto* const words = reinterpret_cast<const __m256i*>(bucket.words);
  const __m256i word = _mm256_set1_epi64x(static_cast<int64_t>(wanted));
  const __m256i first = _mm256_xor_si256(_mm256_load_si256(words), word);
  const __m256i second = _mm256_xor_si256(_mm256_load_si256(words + 1), word);
  const __m256i equal0 = _mm256_cmpeq_epi64(_mm256_srl_epi64(first, slot_bits), zero);
  const __m256i equal1 = _mm256_cmpeq_epi64(_mm256_srl_epi64(second, slot_bits), zero);
  return (static_cast<unsigned>(_mm256_movemask_pd(_mm256_castsi256_pd(equal0))) |
          static_cast<unsigned>(_mm256_movemask_pd(_mm256_castsi256_pd(equal1))) << 4U) &
         kAllCells;
}
#else
inline unsigned RowIndex::MatchesAvx512(const Bucket& bucket, uint64_t wanted, uint32_t low_bits) {
  return MatchesPlain(bucket, wanted, low_bits);
}

inline unsigned RowIndex::MatchesAvx2(const Bucket& bucket, uint64_t wanted, uint32_t low_bits) {
  return MatchesPlain(bucket, wanted, low_bits);
}
#endif

template <RowIndex::Simd kSimd>
FRESHET_INLINE unsigned RowIndex::Matches(const Bucket& bucket, const Place& place) {
  if constexpr (kSimd == Simd::kAvx512) {
    return MatchesAvx512(bucket, place.word, place.layout->low_bits);
  } else if constexpr (kSimd == Simd::kAvx2) {
    return MatchesAvx2(bucket, place.word, place.layout->low_bits);
  } else {
    return MatchesPlain(bucket, place.word, place.layout->low_bits);
  }
}

template <RowIndex::Simd kSimd>
FRESHET_INLINE RowSlot RowIndex::FindAtHome(uint64_t hash) const {
  if (size_ == 0) {
    return kNoRow;
  }
  const Place place = PlaceOf(hash);
  const Bucket& bucket = cells_[place.home];
  if (const unsigned matches = Matches<kSimd>(bucket, place); matches != 0) [[likely]] {
    return SlotIn(bucket, matches, *place.layout);
  }
  Prefetch(&bucket + 1);
  return kNoRow;
}

template <RowIndex::Simd kSimd>
FRESHET_INLINE RowSlot RowIndex::FindFromHome(uint64_t hash) const {
  if (size_ == 0) {
    return kNoRow;
  }
  Place place = PlaceOf(hash);
  const Bucket* bucket = &cells_[place.home];
  const Bucket* const last = bucket + kFurthest;
  unsigned matches = Matches<kSimd>(*bucket, place);
  while (matches == 0 && IsFull(*bucket) && bucket < last) {
    ++bucket;
    place.word += kOneFurther;
    matches = Matches<kSimd>(*bucket, place);
  }
  return matches != 0 ? SlotIn(*bucket, matches, *place.layout) : FindCrowded(hash);
}

}  // namespace freshet::ps
