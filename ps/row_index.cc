#include "ps/row_index.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>
#include <vector>

#include "common/check.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace freshet::ps {
namespace {

using Uint128 = unsigned __int128;

constexpr uint64_t kFirstBuckets = 16;  // 2^4: the low bits of a slot must not be negative
// Smaller tables grow at once.
constexpr uint64_t kGrowInSteps = 1024;
// Homes moved with each insertion. The table is full enough to grow at 86 %, and 2 % fuller when
// the last home has moved.
constexpr uint64_t kHomesPerInsertion = 4;
constexpr size_t kFullPercent = 86;
constexpr size_t kHalfEmptyPercent = 50;
// Below this, where a home moves to is not far enough away from where it was.
constexpr uint64_t kLastHomes = 128;

bool HasAvx2() {
#if defined(__x86_64__)
  static const bool has = __builtin_cpu_supports("avx2");
  return has;
#else
  return false;
#endif
}

uint64_t DisplacementOf(uint64_t word) {
  return (word >> 60U) - 1;
}

}  // namespace

RowIndex::Layout::Layout(uint64_t bucket_count)
    : buckets(bucket_count),
      bits(static_cast<uint32_t>(std::bit_width(bucket_count)) - 1),
      low_bits(bits - 4) {}

// ---- cells

RowIndex::Place RowIndex::PlaceIn(const Layout& layout, uint64_t hash) {
  const Uint128 product = Uint128{hash} * layout.buckets;
  const uint64_t code = static_cast<uint64_t>(product) >> layout.bits;
  return {.layout = &layout,
          .home = static_cast<uint64_t>(product >> 64U),
          .word = kOneFurther | code << layout.low_bits};
}

RowIndex::Cell RowIndex::MakeCell(const Place& place, RowSlot slot) {
  const uint32_t low_bits = place.layout->low_bits;
  const uint64_t high = uint64_t{slot} >> low_bits;
  FRESHET_DCHECK(high <= UINT8_MAX);
  return {.word = place.word | (slot - (high << low_bits)), .high = static_cast<uint8_t>(high)};
}

RowSlot RowIndex::SlotOf(const Layout& layout, uint64_t word, uint8_t high) {
  const uint64_t low = word & ((uint64_t{1} << layout.low_bits) - 1);
  return static_cast<RowSlot>(uint64_t{high} << layout.low_bits | low);
}

uint64_t RowIndex::HashOf(const Layout& layout, uint64_t bucket, uint64_t word) {
  const uint64_t home = bucket - DisplacementOf(word);
  const uint64_t code = (word & (kOneFurther - 1)) >> layout.low_bits;
  const Uint128 product = Uint128{home} << 64U | code << layout.bits;
  return static_cast<uint64_t>((product + layout.buckets - 1) / layout.buckets);
}

uint64_t RowIndex::FirstHashOf(const Layout& layout, uint64_t home) {
  return static_cast<uint64_t>(((Uint128{home} << 64U) + layout.buckets - 1) / layout.buckets);
}

// ---- look-up

void RowIndex::Prepare(std::span<const Key> keys, std::span<uint64_t> hashes) const {
  for (size_t i = 0; i < keys.size(); ++i) {
    hashes[i] = SplitMix64(keys[i]);
    __builtin_prefetch(cells_.data() + PlaceOf(hashes[i]).home);
  }
}

void RowIndex::Find(std::span<const uint64_t> hashes, std::span<RowSlot> slots) const {
  if (size_ == 0) {
    std::fill_n(slots.begin(), hashes.size(), kNoRow);
  } else if (HasAvx2()) {
    FindAvx2(hashes, slots);
  } else {
    FindScalar(hashes, slots);
  }
  if (!crowded_.empty()) {
    for (size_t i = 0; i < hashes.size(); ++i) {
      slots[i] = slots[i] == kNoRow ? FindCrowded(hashes[i]) : slots[i];
    }
  }
}

RowSlot RowIndex::FindCrowded(uint64_t hash) const {
  const auto found = crowded_.find(hash);
  return found == crowded_.end() ? kNoRow : found->second;
}

void RowIndex::FindScalar(std::span<const uint64_t> hashes, std::span<RowSlot> slots) const {
  for (size_t i = 0; i < hashes.size(); ++i) {
    const Place place = PlaceOf(hashes[i]);
    const std::optional<Position> found = FindCell(place);
    slots[i] = kNoRow;
    if (found) {
      const Bucket& bucket = cells_[found->bucket];
      slots[i] = SlotOf(*place.layout, bucket.words[found->cell], bucket.high[found->cell]);
    }
  }
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) void RowIndex::FindAvx2(std::span<const uint64_t> hashes,
                                                        std::span<RowSlot> slots) const {
  constexpr unsigned kAllCells = (1U << kCells) - 1;
  const __m256i zero = _mm256_setzero_si256();
  for (size_t i = 0; i < hashes.size(); ++i) {
    Place place = PlaceOf(hashes[i]);
    const __m128i slot_bits = _mm_cvtsi32_si128(static_cast<int>(place.layout->low_bits));
    slots[i] = kNoRow;
    for (uint64_t at = place.home; at <= place.home + kFurthest; ++at) {
      const Bucket& bucket = cells_[at];
      const auto* const words = reinterpret_cast<const __m256i*>(bucket.words);
      const __m256i wanted = _mm256_set1_epi64x(static_cast<int64_t>(place.word));
      const __m256i first = _mm256_xor_si256(_mm256_load_si256(words), wanted);
      const __m256i second = _mm256_xor_si256(_mm256_load_si256(words + 1), wanted);
      const __m256i equal0 = _mm256_cmpeq_epi64(_mm256_srl_epi64(first, slot_bits), zero);
      const __m256i equal1 = _mm256_cmpeq_epi64(_mm256_srl_epi64(second, slot_bits), zero);
      const unsigned matches =
          (static_cast<unsigned>(_mm256_movemask_pd(_mm256_castsi256_pd(equal0))) |
           static_cast<unsigned>(_mm256_movemask_pd(_mm256_castsi256_pd(equal1))) << 4U) &
          kAllCells;
      if (matches != 0) {
        const auto cell = static_cast<size_t>(std::countr_zero(matches));
        slots[i] = SlotOf(*place.layout, bucket.words[cell], bucket.high[cell]);
        break;
      }
      if (!IsFull(bucket)) {
        break;
      }
      place.word += kOneFurther;
    }
  }
}
#else
void RowIndex::FindAvx2(std::span<const uint64_t> hashes, std::span<RowSlot> slots) const {
  FindScalar(hashes, slots);
}
#endif

std::optional<RowIndex::Position> RowIndex::FindCell(const Place& place) const {
  uint64_t word = place.word;
  for (uint64_t at = place.home; at <= place.home + kFurthest; ++at) {
    const Bucket& bucket = cells_[at];
    for (size_t cell = 0; cell < kCells; ++cell) {
      if ((bucket.words[cell] ^ word) >> place.layout->low_bits == 0) {
        return Position{.bucket = at, .cell = cell};
      }
    }
    if (!IsFull(bucket)) {
      break;
    }
    word += kOneFurther;
  }
  return std::nullopt;
}

RowSlot RowIndex::Find(Key key) const {
  const uint64_t hash = SplitMix64(key);
  RowSlot slot = kNoRow;
  Find(std::span(&hash, 1), std::span(&slot, 1));
  return slot;
}

// ---- change

void RowIndex::Insert(Key key, RowSlot slot) {
  if (layout_.buckets == 0) {
    layout_ = Layout(kFirstBuckets);
    cells_.Resize(kFirstBuckets + kFurthest + 1);
  }
  ++size_;
  if (!growing() && size_ * 100 > layout_.buckets * kCells * kFullPercent) {
    StartGrowing();
  }
  if (growing()) {
    MoveHomes(kHomesPerInsertion);
  }
  InsertHash(SplitMix64(key), slot);
}

void RowIndex::InsertHash(uint64_t hash, RowSlot slot) {
  for (std::optional<Homeless> homeless = Put(hash, slot); homeless;
       homeless = Put(homeless->hash, homeless->slot)) {
    if (size_ * 100 < layout_.buckets * kCells * kHalfEmptyPercent) {
      crowded_.emplace(homeless->hash, homeless->slot);
      return;
    }
    // Too crowded here: the whole table gets more room at once.
    if (!growing()) {
      StartGrowing();
    }
    MoveHomes(layout_.buckets);
  }
}

std::optional<RowIndex::Homeless> RowIndex::Put(uint64_t hash, RowSlot slot) {
  const Place place = PlaceOf(hash);
  Cell cell = MakeCell(place, slot);
  for (uint64_t at = place.home;; ++at) {
    Bucket& bucket = cells_[at];
    size_t nearest = 0;
    for (size_t i = 0; i < kCells; ++i) {
      if (bucket.words[i] == 0) {
        bucket.words[i] = cell.word;
        bucket.high[i] = cell.high;
        return std::nullopt;
      }
      nearest =
          DisplacementOf(bucket.words[i]) < DisplacementOf(bucket.words[nearest]) ? i : nearest;
    }
    if (DisplacementOf(bucket.words[nearest]) < DisplacementOf(cell.word)) {
      std::swap(bucket.words[nearest], cell.word);
      std::swap(bucket.high[nearest], cell.high);
    }
    if (DisplacementOf(cell.word) == kFurthest) {
      return Homeless{.hash = HashOf(*place.layout, at, cell.word),
                      .slot = SlotOf(*place.layout, cell.word, cell.high)};
    }
    cell.word += kOneFurther;
  }
}

RowSlot RowIndex::Erase(Key key) {
  if (size_ == 0) {
    return kNoRow;
  }
  const uint64_t hash = SplitMix64(key);
  const Place place = PlaceOf(hash);
  const std::optional<Position> found = FindCell(place);
  if (!found) {
    const RowSlot slot = FindCrowded(hash);
    size_ -= crowded_.erase(hash);
    return slot;
  }
  const Bucket& bucket = cells_[found->bucket];
  const RowSlot slot = SlotOf(*place.layout, bucket.words[found->cell], bucket.high[found->cell]);
  Remove(*found);
  --size_;
  return slot;
}

void RowIndex::Remove(Position at) {
  while (true) {
    Bucket& bucket = cells_[at.bucket];
    const bool was_full = IsFull(bucket);
    size_t last = kCells - 1;
    while (bucket.words[last] == 0) {
      --last;
    }
    bucket.words[at.cell] = bucket.words[last];
    bucket.high[at.cell] = bucket.high[last];
    bucket.words[last] = 0;
    if (!was_full) {
      return;
    }
    // The one that had to go furthest because this bucket was full comes back: so cells stay in the
    // order of their homes from bucket to bucket.
    Bucket& behind = cells_[at.bucket + 1];
    size_t moves = 0;
    uint64_t furthest = 0;
    for (size_t i = 0; i < kCells && behind.words[i] != 0; ++i) {
      if (DisplacementOf(behind.words[i]) > furthest) {
        furthest = DisplacementOf(behind.words[i]);
        moves = i;
      }
    }
    if (furthest == 0) {
      return;
    }
    bucket.words[last] = behind.words[moves] - kOneFurther;
    bucket.high[last] = behind.high[moves];
    at = {.bucket = at.bucket + 1, .cell = moves};
  }
}

void RowIndex::SetSlot(Key key, RowSlot slot) {
  const uint64_t hash = SplitMix64(key);
  Place place = PlaceOf(hash);
  const std::optional<Position> found = FindCell(place);
  if (!found) {
    FRESHET_CHECK(crowded_.contains(hash));
    crowded_[hash] = slot;
    return;
  }
  place.word += (found->bucket - place.home) * kOneFurther;
  const Cell cell = MakeCell(place, slot);
  cells_[found->bucket].words[found->cell] = cell.word;
  cells_[found->bucket].high[found->cell] = cell.high;
}

// ---- walks

void RowIndex::VisitHomes(const Layout& layout,
                          uint64_t first_home,
                          uint64_t last_home,
                          uint64_t first,
                          uint64_t last,
                          absl::FunctionRef<void(Key, RowSlot)> visit) const {
  for (uint64_t at = first_home; at <= last_home + kFurthest; ++at) {
    const Bucket& bucket = cells_[at];
    for (size_t i = 0; i < kCells && bucket.words[i] != 0; ++i) {
      const uint64_t home = at - DisplacementOf(bucket.words[i]);
      if (home < first_home || home > last_home) {
        continue;
      }
      const uint64_t hash = HashOf(layout, at, bucket.words[i]);
      if (hash >= first && hash <= last) {
        visit(UnmixSplitMix64(hash), SlotOf(layout, bucket.words[i], bucket.high[i]));
      }
    }
    if (at >= last_home && !IsFull(bucket)) {
      return;
    }
  }
}

void RowIndex::ForEach(uint64_t first,
                       uint64_t last,
                       absl::FunctionRef<void(Key key, RowSlot slot)> visit) const {
  if (size_ == 0) {
    return;
  }
  const uint64_t first_home = PlaceIn(layout_, first).home;
  const uint64_t last_home = PlaceIn(layout_, last).home;
  if (first_home < frontier_) {
    VisitHomes(layout_, first_home, std::min(last_home, frontier_ - 1), first, last, visit);
  }
  if (growing() && last_home >= frontier_) {
    const uint64_t from = std::max(first, FirstHashOf(layout_, frontier_));
    VisitHomes(next_, PlaceIn(next_, from).home, PlaceIn(next_, last).home, from, last, visit);
  }
  for (const auto& [hash, slot] : crowded_) {
    if (hash >= first && hash <= last) {
      visit(UnmixSplitMix64(hash), slot);
    }
  }
}

uint64_t RowIndex::Walk(uint64_t from,
                        size_t keys,
                        absl::FunctionRef<void(Key key, RowSlot slot)> visit) const {
  constexpr uint64_t kLast = std::numeric_limits<uint64_t>::max();
  const uint64_t per_key = kLast / std::max<uint64_t>(size_, 1);
  const uint64_t left = kLast - from;
  const uint64_t last = left / per_key < keys ? kLast : from + per_key * keys;
  ForEach(from, last, visit);
  return last + 1;
}

// ---- growth

void RowIndex::StartGrowing() {
  next_ = Layout(layout_.buckets + layout_.buckets / 4);
  frontier_ = layout_.buckets;
  cells_.Resize(next_.buckets + kFurthest + 1);
  if (layout_.buckets < kGrowInSteps) {
    FinishGrowing();
  }
}

void RowIndex::MoveHomes(uint64_t homes) {
  // A cell without a place may end the growth in between.
  for (; homes > 0 && growing() && frontier_ > kLastHomes; --homes) {
    MoveHome(frontier_ - 1);
  }
  if (growing() && frontier_ <= kLastHomes) {
    FinishGrowing();
  }
}

void RowIndex::MoveHome(uint64_t home) {
  Homeless moved[(kFurthest + 1) * kCells];
  size_t count = 0;
  for (uint64_t at = home; at <= home + kFurthest;) {
    Bucket& bucket = cells_[at];
    const uint64_t displacement = at - home;
    size_t cell = 0;
    while (cell < kCells &&
           (bucket.words[cell] == 0 || DisplacementOf(bucket.words[cell]) != displacement)) {
      ++cell;
    }
    if (cell < kCells) {
      moved[count++] = {.hash = HashOf(layout_, at, bucket.words[cell]),
                        .slot = SlotOf(layout_, bucket.words[cell], bucket.high[cell])};
      Remove({.bucket = at, .cell = cell});  // another one may have come to this place
    } else if (IsFull(bucket)) {
      ++at;
    } else {
      break;
    }
  }
  frontier_ = home;
  for (size_t i = 0; i < count; ++i) {
    InsertHash(moved[i].hash, moved[i].slot);
  }
}

void RowIndex::FinishGrowing() {
  std::vector<Homeless> moved;
  VisitHomes(layout_, 0, frontier_ - 1, 0, UINT64_MAX, [&](Key key, RowSlot slot) {
    moved.push_back({.hash = SplitMix64(key), .slot = slot});
  });
  std::fill_n(cells_.data(), frontier_ + kFurthest, Bucket{});
  layout_ = std::exchange(next_, Layout());
  frontier_ = UINT64_MAX;
  for (const Homeless& key : moved) {
    InsertHash(key.hash, key.slot);
  }
}

}  // namespace freshet::ps
