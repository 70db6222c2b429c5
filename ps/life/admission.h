#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/functional/function_ref.h"
#include "common/cluster/partition_map.h"
#include "common/key.h"
#include "common/status.h"
#include "common/version_log/part_file.h"
#include "ps/life/candidates.h"
#include "ps/life/counting_bloom.h"
#include "ps/life/feature_rules.h"

namespace freshet::ps {

// Decides, in one owner thread, which keys of one variable get a row. Counts what was seen of a
// key without one: exactly, or with `bloom` in a filter.
//
// A key that gets its row is forgotten here; so if the row is evicted later, the key starts again
// from nothing. Thread-safety: owner thread only.
class Admission {
 public:
  // `rules` outlives this.
  Admission(const FeatureRules& rules, const PartitionMap& partitions);

  // A push touched a key without a row. True: it gets one now, which starts with *seen, this push
  // included. False: it gets none, the push is counted, *seen is untouched.
  // `count` is valid (KeyCount::IsValid).
  //
  // With bloom the frequency starts with the filter's estimate; so do the shows of the life, while
  // its clicks are those of this push alone.
  bool Touch(
      Key key, uint32_t slot, KeyCount count, uint64_t step, uint32_t event_time_s, Seen* seen);

  // Makes as if the key had not been seen; with bloom as far as the filter can.
  void Forget(Key key);

  // Forgets the candidates in this range of SplitMix64(key) that a rule of steps or time evicts;
  // returns how many. A filter knows no time: nothing of it is forgotten.
  uint64_t Evict(uint64_t hash_begin, uint64_t hash_end_inclusive, const StreamClock& now);

  // What is known of a key without a row: nothing if it was not seen, is not counted or never will
  // be. With bloom only the frequency.
  std::optional<Seen> Peek(Key key) const;

  // The cut protocol of tables, over candidates and filter.
  struct CutSize {
    uint64_t candidates = 0;
    uint64_t tombstones = 0;
    uint64_t blocks = 0;

    bool empty() const { return candidates == 0 && tombstones == 0 && blocks == 0; }
  };

  struct Columns {
    CandidateRows candidates;
    FilterBlocks filter;
  };

  CutSize BeginCut(bool full);
  bool CopyCut(size_t max_items);
  // What was copied, in no particular order (SortByKey of common/version_log/sort_columns.h).
  Columns TakeCut();
  void EndCut(bool committed);

  // From a version: `candidates` and `filter` of `rows`, of the keys that `owns` says are ours. All
  // keys of a partition have one owner. DataLoss: columns that do not fit the policy.
  Status Load(const EmbeddingRows& rows, absl::FunctionRef<bool(Key)> owns);

  uint64_t bytes() const;

  // Keys that are counted exactly.
  uint64_t candidates() const { return candidates_.size(); }

  // Null without bloom.
  const CountingBloom* filter() const { return filter_.get(); }

 private:
  bool TouchFilter(
      Key key, uint32_t slot, KeyCount count, uint64_t step, uint32_t event_time_s, Seen* seen);
  bool TouchCandidate(
      Key key, uint32_t slot, KeyCount count, uint64_t step, uint32_t event_time_s, Seen* seen);

  const FeatureRules& rules_;
  const PartitionMap partitions_;
  Candidates candidates_;
  const std::unique_ptr<CountingBloom> filter_;  // null without bloom
};

}  // namespace freshet::ps
