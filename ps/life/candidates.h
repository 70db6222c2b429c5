#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "common/key.h"
#include "common/status.h"
#include "common/version_log/part_file.h"
#include "ps/change_tracker.h"
#include "ps/life/feature_rules.h"

namespace freshet::ps {

// The memory of candidates: what a row's head has, and the life if the rules need it. In chunks, so
// that nothing moves while it grows; freed slots are used again, last first.
class CandidateStore {
 public:
  explicit CandidateStore(bool with_life) : with_life_(with_life) {}

  // The slot's content is not initialised.
  RowSlot Allocate();
  void Free(RowSlot slot);

  Key key(RowSlot slot) const { return At(slot).key; }

  Seen Read(RowSlot slot) const;
  void Write(RowSlot slot, Key key, const Seen& seen);

  // Slots that memory has been taken for.
  size_t slots() const { return chunks_.size() * kChunk; }

  size_t size() const { return used_ - free_.size(); }

  const RowBits& live() const { return live_; }

  bool with_life() const { return with_life_; }

  uint64_t bytes() const;

 private:
  static constexpr size_t kChunk = 1024;

  struct Head {
    Key key;
    uint32_t frequency;
    uint32_t last_update;
  };

  struct Chunk {
    std::unique_ptr<Head[]> heads;
    std::unique_ptr<FeatureLife[]> lives;  // null without life
  };

  const Head& At(RowSlot slot) const { return chunks_[slot / kChunk].heads[slot % kChunk]; }

  const bool with_life_;
  std::vector<Chunk> chunks_;
  size_t used_ = 0;  // slots given out so far; those freed since are in free_
  std::vector<RowSlot> free_;
  RowBits live_;
};

// Keys of one variable that were seen and have no row: the exact counter of admission.
//
// An index by key lies in buckets by the upper bits of SplitMix64(key), so that a range of that
// hash is looked through without the rest; a bucket's cells hold slots, four bytes, and find their
// keys in the store. Cuts work as those of rows do (ps/change_tracker.h).
// Thread-safety: owner thread only. Not movable: the index points to the store.
class Candidates {
 public:
  // `rules` outlives this.
  explicit Candidates(const FeatureRules& rules);
  Candidates(const Candidates&) = delete;
  Candidates& operator=(const Candidates&) = delete;

  std::optional<Seen> Find(Key key) const;
  void Set(Key key, const Seen& seen);
  // True if the key was a candidate.
  bool Forget(Key key);

  // Forgets those whose SplitMix64(key) lies in [hash_begin, hash_end_inclusive] and which a rule
  // of steps or time evicts. Returns how many.
  uint64_t Evict(uint64_t hash_begin, uint64_t hash_end_inclusive, const StreamClock& now);

  // What a cut will hold.
  struct CutSize {
    uint64_t candidates = 0;
    uint64_t tombstones = 0;
  };

  // Begins a cut of what changed since the last one, or with `full` of all candidates.
  CutSize BeginCut(bool full);
  // Copies up to `max_candidates` of the cut; false when none is left.
  bool CopyCut(size_t max_candidates);
  // What was copied, in no particular order; once, after the last CopyCut.
  CandidateRows TakeCut();
  // Not committed: candidates and tombstones of the cut go into the next one.
  void EndCut(bool committed);

  // From a version: forgets the tombstones, then sets the candidates, of the keys that `owns` says
  // are ours. They are clean. DataLoss: columns of different lengths, or no lives where the rules
  // need them.
  Status Load(const CandidateRows& rows, absl::FunctionRef<bool(Key)> owns);

  uint64_t size() const { return store_.size(); }

  uint64_t bytes() const;

 private:
  static constexpr uint32_t kBucketBits = 10;

  // Hash and equality of slots by their keys; a key may be looked up as it is.
  struct SlotHash {
    using is_transparent = void;
    const CandidateStore* store;

    size_t operator()(RowSlot slot) const { return SplitMix64(store->key(slot)); }

    size_t operator()(Key key) const { return SplitMix64(key); }
  };

  struct SlotEqual {
    using is_transparent = void;
    const CandidateStore* store;

    bool operator()(RowSlot a, RowSlot b) const { return a == b; }

    bool operator()(RowSlot slot, Key key) const { return store->key(slot) == key; }

    bool operator()(Key key, RowSlot slot) const { return store->key(slot) == key; }
  };

  using Bucket = absl::flat_hash_set<RowSlot, SlotHash, SlotEqual>;

  static size_t BucketOf(uint64_t hash) { return hash >> (64 - kBucketBits); }

  RowSlot SlotOf(Key key) const;
  RowSlot SetClean(Key key, const Seen& seen);
  void Erase(RowSlot slot, Key key);
  bool IsIdle(RowSlot slot, const StreamClock& now) const;
  void CopyIfPending(RowSlot slot);
  void Copy(RowSlot slot);

  const FeatureRules& rules_;
  CandidateStore store_;
  std::vector<Bucket> buckets_;
  ChangeTracker changes_;

  // Of the cut under way.
  CandidateRows cut_;
  RowSlot copy_cursor_ = 0;  // no slot before it is pending
};

}  // namespace freshet::ps
