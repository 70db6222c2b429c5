#include "ps/life/candidates.h"

#include <algorithm>
#include <utility>

#include "common/check.h"

namespace freshet::ps {

RowSlot CandidateStore::Allocate() {
  RowSlot slot = 0;
  if (!free_.empty()) {
    slot = free_.back();
    free_.pop_back();
  } else {
    if (used_ == slots()) {
      FRESHET_CHECK(slots() + kChunk < kNoRow);
      Chunk& chunk = chunks_.emplace_back();
      chunk.heads = std::make_unique<Head[]>(kChunk);
      chunk.lives = with_life_ ? std::make_unique<FeatureLife[]>(kChunk) : nullptr;
      live_.Resize(slots());
    }
    slot = static_cast<RowSlot>(used_++);
  }
  live_.Set(slot);
  return slot;
}

void CandidateStore::Free(RowSlot slot) {
  live_.Clear(slot);
  free_.push_back(slot);
}

Seen CandidateStore::Read(RowSlot slot) const {
  const Head& head = At(slot);
  Seen seen{.frequency = head.frequency, .last_update = head.last_update};
  if (with_life_) {
    seen.life = chunks_[slot / kChunk].lives[slot % kChunk];
  }
  return seen;
}

void CandidateStore::Write(RowSlot slot, Key key, const Seen& seen) {
  Chunk& chunk = chunks_[slot / kChunk];
  chunk.heads[slot % kChunk] = {
      .key = key, .frequency = seen.frequency, .last_update = seen.last_update};
  if (with_life_) {
    chunk.lives[slot % kChunk] = seen.life;
  }
}

uint64_t CandidateStore::bytes() const {
  const size_t each = sizeof(Head) + (with_life_ ? sizeof(FeatureLife) : 0);
  return slots() * each + free_.capacity() * sizeof(RowSlot) + live_.bytes();
}

Candidates::Candidates(const FeatureRules& rules) : rules_(rules), store_(rules.NeedsLife()) {
  const Bucket empty(0, SlotHash{&store_}, SlotEqual{&store_});
  buckets_.assign(size_t{1} << kBucketBits, empty);
}

RowSlot Candidates::SlotOf(Key key) const {
  const Bucket& bucket = buckets_[BucketOf(SplitMix64(key))];
  const auto found = bucket.find(key);
  return found == bucket.end() ? kNoRow : *found;
}

std::optional<Seen> Candidates::Find(Key key) const {
  const RowSlot slot = SlotOf(key);
  return slot == kNoRow ? std::nullopt : std::optional(store_.Read(slot));
}

void Candidates::Set(Key key, const Seen& seen) {
  changes_.MarkDirty(SetClean(key, seen));
}

RowSlot Candidates::SetClean(Key key, const Seen& seen) {
  RowSlot slot = SlotOf(key);
  if (slot != kNoRow) {
    CopyIfPending(slot);
    store_.Write(slot, key, seen);
    return slot;
  }
  slot = store_.Allocate();
  changes_.Resize(store_.slots());
  store_.Write(slot, key, seen);
  buckets_[BucketOf(SplitMix64(key))].insert(slot);
  return slot;
}

bool Candidates::Forget(Key key) {
  const RowSlot slot = SlotOf(key);
  if (slot == kNoRow) {
    return false;
  }
  CopyIfPending(slot);
  changes_.MarkFree(slot);
  changes_.MarkDeleted(key);
  Erase(slot, key);
  return true;
}

void Candidates::Erase(RowSlot slot, Key key) {
  buckets_[BucketOf(SplitMix64(key))].erase(key);
  store_.Free(slot);
}

bool Candidates::IsIdle(RowSlot slot, const StreamClock& now) const {
  const Seen seen = store_.Read(slot);
  const RowView view{.key = store_.key(slot),
                     .frequency = seen.frequency,
                     .last_update = seen.last_update,
                     .life = store_.with_life() ? &seen.life : nullptr};
  return rules_.WhyForget(view, now) != EvictReason::kNone;
}

uint64_t Candidates::Evict(uint64_t hash_begin,
                           uint64_t hash_end_inclusive,
                           const StreamClock& now) {
  std::vector<Key> idle;
  for (size_t b = BucketOf(hash_begin); b <= BucketOf(hash_end_inclusive); ++b) {
    for (const RowSlot slot : buckets_[b]) {
      const uint64_t hash = SplitMix64(store_.key(slot));
      if (hash >= hash_begin && hash <= hash_end_inclusive && IsIdle(slot, now)) {
        idle.push_back(store_.key(slot));
      }
    }
  }
  for (const Key key : idle) {
    Forget(key);
  }
  return idle.size();
}

Candidates::CutSize Candidates::BeginCut(bool full) {
  changes_.Flip(full, store_.live());
  const CutSize size{.candidates = changes_.pending(), .tombstones = changes_.tombstones().size()};
  copy_cursor_ = 0;
  cut_ = {};
  cut_.keys.reserve(size.candidates);
  cut_.frequencies.reserve(size.candidates);
  cut_.last_updates.reserve(size.candidates);
  cut_.lives.reserve(store_.with_life() ? size.candidates : 0);
  cut_.tombstones.assign(changes_.tombstones().begin(), changes_.tombstones().end());
  return size;
}

bool Candidates::CopyCut(size_t max_candidates) {
  for (size_t copied = 0; copied < max_candidates; ++copied) {
    copy_cursor_ = changes_.NextPending(copy_cursor_);
    if (copy_cursor_ == kNoRow) {
      return false;
    }
    Copy(copy_cursor_);
  }
  return true;
}

void Candidates::CopyIfPending(RowSlot slot) {
  if (changes_.IsPending(slot)) {
    Copy(slot);
  }
}

void Candidates::Copy(RowSlot slot) {
  const Seen seen = store_.Read(slot);
  cut_.keys.push_back(store_.key(slot));
  cut_.frequencies.push_back(seen.frequency);
  cut_.last_updates.push_back(seen.last_update);
  if (store_.with_life()) {
    cut_.lives.push_back(seen.life);
  }
  changes_.MarkCopied(slot);
}

CandidateRows Candidates::TakeCut() {
  FRESHET_DCHECK(changes_.pending() == 0);
  return std::exchange(cut_, {});
}

void Candidates::EndCut(bool committed) {
  changes_.Unflip(committed);
  cut_ = {};
}

Status Candidates::Load(const CandidateRows& rows, absl::FunctionRef<bool(Key)> owns) {
  const size_t count = rows.keys.size();
  const size_t lives = store_.with_life() ? count : 0;
  if (rows.frequencies.size() != count || rows.last_updates.size() != count ||
      rows.lives.size() != lives) {
    return DataLoss(
        "candidates: {} keys with {} frequencies, {} last updates and {} lives, must be {} of each "
        "and {} lives",
        count,
        rows.frequencies.size(),
        rows.last_updates.size(),
        rows.lives.size(),
        count,
        lives);
  }
  for (const Key key : rows.tombstones) {
    const RowSlot slot = owns(key) ? SlotOf(key) : kNoRow;
    if (slot != kNoRow) {
      Erase(slot, key);
    }
  }
  for (size_t i = 0; i < count; ++i) {
    if (owns(rows.keys[i])) {
      Seen seen{.frequency = rows.frequencies[i], .last_update = rows.last_updates[i]};
      if (store_.with_life()) {
        seen.life = rows.lives[i];
      }
      SetClean(rows.keys[i], seen);
    }
  }
  return absl::OkStatus();
}

uint64_t Candidates::bytes() const {
  constexpr uint64_t kCellBytes = sizeof(RowSlot) + 1;
  uint64_t cells = 0;
  for (const Bucket& bucket : buckets_) {
    cells += bucket.capacity();
  }
  return store_.bytes() + changes_.bytes() + cells * kCellBytes + buckets_.size() * sizeof(Bucket);
}

}  // namespace freshet::ps
