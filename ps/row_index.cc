#include "ps/row_index.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>
#include <vector>

#include "common/check.h"

namespace freshet::ps {
namespace {

constexpr uint64_t kFirstBuckets = 16;  // 2^4: the low bits of a slot must not be negative
// Smaller tables grow at once.
constexpr uint64_t kGrowInSteps = 1024;
// Homes moved with each insertion. The table is full enough to grow at 86 %, and 2 % fuller when
// the last home has moved.
constexpr uint64_t kHomesPerInsertion = 4;
constexpr size_t kFullPercent = 86;
// A while before, memory is taken for the larger table.
constexpr size_t kRoomPercent = 85;
constexpr size_t kHalfEmptyPercent = 50;
// Below this, where a home moves to is not far enough away from where it was.
constexpr uint64_t kLastHomes = 128;
constexpr size_t kMostWaiting = 1024;
constexpr size_t kFillStep = 32768;  // buckets

uint64_t DisplacementOf(uint64_t word) {
  return (word >> 60U) - 1;
}

}  // namespace

RowIndex::Layout::Layout(uint64_t bucket_count)
    : buckets(bucket_count),
      bits(static_cast<uint32_t>(std::bit_width(bucket_count)) - 1),
      low_bits(bits - 4),
      reciprocal(static_cast<uint64_t>(((Uint128{1} << (64 + bits)) - 1) / bucket_count)) {}

// ---- cells

RowIndex::Cell RowIndex::MakeCell(const Place& place, RowSlot slot) {
  const uint32_t low_bits = place.layout->low_bits;
  const uint64_t high = uint64_t{slot} >> low_bits;
  FRESHET_DCHECK(high <= UINT8_MAX);
  return {.word = place.word | (slot - (high << low_bits)), .high = static_cast<uint8_t>(high)};
}

uint64_t RowIndex::HashOf(const Layout& layout, uint64_t bucket, uint64_t word) {
  const uint64_t home = bucket - DisplacementOf(word);
  const uint64_t code = (word & (kOneFurther - 1)) >> layout.low_bits;
  // The product divided by the buckets, rounded up. A division of 128 bits takes longer than all
  // the rest of moving a cell. So first the product without its last bits times the reciprocal:
  // this is too small by less than 6, of which the product that is still left then tells.
  const uint64_t lower = code << layout.bits;
  const uint64_t most = home << (63 - layout.bits) | lower >> (layout.bits + 1);
  uint64_t hash = static_cast<uint64_t>(Uint128{most} * layout.reciprocal >> 63U);
  const uint64_t left = lower - hash * layout.buckets;
  for (uint64_t more = 0; more < 6; ++more) {
    hash += left > more * layout.buckets ? 1 : 0;
  }
  return hash;
}

// No branch in the next two depends on a cell: none of them could be foreseen.
size_t RowIndex::CellsIn(const Bucket& bucket) {
  size_t count = 0;
  for (const uint64_t word : bucket.words) {
    count += word != 0 ? 1 : 0;
  }
  return count;
}

size_t RowIndex::Nearest(const Bucket& bucket) {
  uint64_t nearest = UINT64_MAX;
  for (size_t cell = 0; cell < kCells; ++cell) {
    nearest = std::min(nearest, bucket.words[cell] >> 60U << 3U | cell);
  }
  return nearest & 7U;
}

uint64_t RowIndex::FirstHashOf(const Layout& layout, uint64_t home) {
  return static_cast<uint64_t>(((Uint128{home} << 64U) + layout.buckets - 1) / layout.buckets);
}

// ---- look-up

RowIndex::Simd RowIndex::BestSimd() {
#if defined(__x86_64__)
  static const Simd best = __builtin_cpu_supports("avx512f") != 0 ? Simd::kAvx512
                           : __builtin_cpu_supports("avx2") != 0  ? Simd::kAvx2
                                                                  : Simd::kNone;
  return best;
#else
  return Simd::kNone;
#endif
}

RowSlot RowIndex::Find(Key key) const {
  return FindFromHome<Simd::kNone>(SplitMix64(key));
}

RowSlot RowIndex::FindCrowded(uint64_t hash) const {
  if (crowded_.empty()) {
    return kNoRow;
  }
  const auto found = crowded_.find(hash);
  return found == crowded_.end() ? kNoRow : found->second;
}

RowSlot RowIndex::SlotAt(const Place& place, const Position& at) const {
  const Bucket& bucket = cells_[at.bucket];
  return SlotOf(*place.layout, bucket.words[at.cell], bucket.high[at.cell]);
}

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

// ---- change

void RowIndex::Reserve(size_t keys) {
  FRESHET_CHECK(size_ == 0 && !growing());
  const uint64_t buckets = keys * 100 / (kCells * kRoomPercent) + 1;
  if (buckets <= std::max(layout().buckets, kFirstBuckets)) {
    return;
  }
  layouts_[0] = Layout(buckets);
  cells_.Resize(buckets + kFurthest + 1);
  cells_.FillAhead(0, cells_.size());
}

void RowIndex::Insert(Key key, RowSlot slot) {
  if (layout().buckets == 0) {
    layouts_[0] = Layout(kFirstBuckets);
    cells_.Resize(kFirstBuckets + kFurthest + 1);
  }
  ++size_;
  if (!growing() && size_ * 100 > layout().buckets * kCells * kRoomPercent) {
    if (!HasRoom()) {
      MakeRoom();
    }
    if (size_ * 100 > layout().buckets * kCells * kFullPercent) {
      StartGrowing();
    }
  }
  if (growing()) {
    MoveHomes(kHomesPerInsertion);
  }
  InsertHash(SplitMix64(key), slot);
}

void RowIndex::InsertHash(uint64_t hash, RowSlot slot) {
  for (std::optional<Homeless> homeless = Put(hash, slot); homeless;
       homeless = Put(homeless->hash, homeless->slot)) {
    const bool half_empty = size_ * 100 < layout().buckets * kCells * kHalfEmptyPercent;
    if (!half_empty && !growing()) {
      StartGrowing();
    }
    // A few keys wait aside until the table has grown, so that nobody waits for it.
    if (half_empty || crowded_.size() < kMostWaiting) {
      crowded_.emplace(homeless->hash, homeless->slot);
      return;
    }
    MoveHomes(layout().buckets);
  }
}

std::optional<RowIndex::Homeless> RowIndex::Put(uint64_t hash, RowSlot slot) {
  const Place place = PlaceOf(hash);
  Cell cell = MakeCell(place, slot);
  uint64_t at = place.home;
  for (; IsFull(cells_[at]); ++at) {
    Bucket& bucket = cells_[at];
    const size_t nearest = Nearest(bucket);
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
  Bucket& bucket = cells_[at];
  const size_t empty = CellsIn(bucket);
  bucket.words[empty] = cell.word;
  bucket.high[empty] = cell.high;
  return std::nullopt;
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
  const RowSlot slot = SlotAt(place, *found);
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
  const uint64_t first_home = PlaceIn(layout(), first).home;
  const uint64_t last_home = PlaceIn(layout(), last).home;
  if (first_home < frontier_) {
    VisitHomes(layout(), first_home, std::min(last_home, frontier_ - 1), first, last, visit);
  }
  if (growing() && last_home >= frontier_) {
    const uint64_t from = std::max(first, FirstHashOf(layout(), frontier_));
    VisitHomes(next(), PlaceIn(next(), from).home, PlaceIn(next(), last).home, from, last, visit);
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

uint64_t RowIndex::LargerBuckets() const {
  return layout().buckets + layout().buckets * 3 / 10;
}

// So that the pages are there when cells move to them.
void RowIndex::MakeRoom() {
  const size_t before = cells_.size();
  cells_.Resize(LargerBuckets() + kFurthest + 1);
  // Cells move to the new buckets from the last one downwards.
  for (size_t end = cells_.size(); end > before; end -= std::min(kFillStep, end - before)) {
    cells_.FillAhead(end - std::min(kFillStep, end - before), end);
  }
}

void RowIndex::StartGrowing() {
  layouts_[1] = Layout(LargerBuckets());
  frontier_ = layout().buckets;
  if (!HasRoom()) {
    MakeRoom();
  }
  if (layout().buckets < kGrowInSteps) {
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

// Of all homes that have not moved this is the last, and cells are in the order of their homes: so
// what lies behind its first cell is its own too, and nothing else has to move up.
void RowIndex::MoveHome(uint64_t home) {
  Cell moved[(kFurthest + 1) * kCells];
  size_t count = 0;
  bool was_full = true;
  for (uint64_t at = home; was_full && at <= home + kFurthest; ++at) {
    Bucket& bucket = cells_[at];
    was_full = IsFull(bucket);
    size_t kept = 0;
    for (size_t cell = 0; cell < kCells; ++cell) {
      const Cell here{.word = std::exchange(bucket.words[cell], 0), .high = bucket.high[cell]};
      if (here.word != 0 && DisplacementOf(here.word) != at - home) {
        bucket.words[kept] = here.word;
        bucket.high[kept++] = here.high;
      } else if (here.word != 0) {
        // As if it lay at home.
        moved[count++] = {.word = here.word - (at - home) * kOneFurther, .high = here.high};
      }
    }
  }
  frontier_ = home;
  const Layout before = layout();  // one of them may end the growth, for want of a place
  for (size_t i = 0; i < count; ++i) {
    InsertHash(HashOf(before, home, moved[i].word), SlotOf(before, moved[i].word, moved[i].high));
  }
}

void RowIndex::FinishGrowing() {
  std::vector<Homeless> moved;
  VisitHomes(layout(), 0, frontier_ - 1, 0, UINT64_MAX, [&](Key key, RowSlot slot) {
    moved.push_back({.hash = SplitMix64(key), .slot = slot});
  });
  std::fill_n(cells_.data(), frontier_ + kFurthest, Bucket{});
  layouts_ = {next(), Layout()};
  frontier_ = UINT64_MAX;
  for (const auto& [hash, slot] : std::exchange(crowded_, {})) {
    moved.push_back({.hash = hash, .slot = slot});
  }
  for (const Homeless& key : moved) {
    InsertHash(key.hash, key.slot);
  }
}

}  // namespace freshet::ps
