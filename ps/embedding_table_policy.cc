// How a feature policy takes rows away, and how it is explained: docs/features.md.
#include <algorithm>

#include "common/key.h"
#include "ps/embedding_table.h"
#include "ps/life/capacity.h"
#include "ps/life/explain.h"

namespace freshet::ps {
namespace {

constexpr HashRange kEveryHash{.begin = 0, .end_inclusive = UINT64_MAX};
// What a row takes beside its parts: a bucket's cell, bits, some slack.
constexpr uint64_t kRowOverheadBytes = 8;

}  // namespace

void EmbeddingTable::Advance(const StreamClock& clock) {
  const uint64_t before = clock_.step;
  clock_.step = std::max(clock_.step, clock.step);
  clock_.event_time_s = std::max(clock_.event_time_s, clock.event_time_s);
  if (!evicts_) {
    return;
  }
  for (const HashRange& range :
       RangesToJudge(before, clock_.step, rules_.policy().evict_every_steps())) {
    Evict(range);
  }
}

RowView EmbeddingTable::ViewOf(Key key, RowSlot slot, std::span<float> value) const {
  const RowMeta& meta = rows_.meta(slot);
  RowView row{.key = key,
              .frequency = meta.frequency,
              .last_update = meta.last_update,
              .life = rows_.life(slot)};
  if (codec_.is_float()) {
    row.value = {reinterpret_cast<const float*>(rows_.value(slot)), dim_};
  } else {
    codec_.Read(rows_.value(slot), value);
    row.value = value;
  }
  return row;
}

EmbeddingTable::Doomed EmbeddingTable::FindDoomed(const HashRange& range) const {
  const proto::Capacity& capacity = rules_.policy().capacity();
  Doomed doomed;
  std::vector<CapacityRow> staying;
  std::vector<float> value(dim_);
  index_.ForEach(range.begin, range.end_inclusive, [&](Key key, RowSlot slot) {
    const RowView row = ViewOf(key, slot, value);
    const EvictReason reason = rules_.WhyEvict(row, clock_);
    if (reason != EvictReason::kNone) {
      doomed.keys.push_back(key);
      ++doomed.count.by_reason[static_cast<size_t>(reason)];
    } else if (capacity.max_bytes() > 0) {
      staying.push_back({.key = key, .frequency = row.frequency, .last_update = row.last_update});
    }
  });
  if (capacity.max_bytes() > 0) {
    const CapacityBound bound{.max_bytes = capacity.max_bytes(),
                              .bytes_per_row = sizeof(Key) + codec_.bytes() +
                                               state_dim() * sizeof(float) + sizeof(RowMeta) +
                                               (rules_.NeedsLife() ? sizeof(FeatureLife) : 0) +
                                               kRowOverheadBytes,
                              .partitions = share_.owned_partitions,
                              .all_partitions = share_.partitions.partition_count()};
    const std::vector<Key> beyond =
        BeyondCapacity(std::move(staying), RowShare(bound, range), capacity.evict_strategy());
    doomed.keys.insert(doomed.keys.end(), beyond.begin(), beyond.end());
    doomed.count.capacity = beyond.size();
  }
  return doomed;
}

EvictedRows EmbeddingTable::Evict(const HashRange& range) {
  const Doomed doomed = FindDoomed(range);
  for (const Key key : doomed.keys) {
    DeleteRow(key, index_.Find(key));
  }
  evicted_ += doomed.count;
  admission_->Evict(range.begin, range.end_inclusive, clock_);
  return doomed.count;
}

StatusOr<EvictedRows> EmbeddingTable::WouldEvict() {
  return evicts_ ? FindDoomed(kEveryHash).count : EvictedRows();
}

StatusOr<EvictedRows> EmbeddingTable::EvictAll() {
  return evicts_ ? Evict(kEveryHash) : EvictedRows();
}

StatusOr<std::vector<std::string>> EmbeddingTable::Explain(Key key, uint32_t slot) {
  const RowSlot row = index_.Find(key);
  if (row == kNoRow) {
    std::vector<std::string> lines = {"no row"};
    const std::optional<Seen> seen = admission_ ? admission_->Peek(key) : std::optional<Seen>();
    for (std::string& line : ExplainAdmission(rules_, key, slot, seen, clock_)) {
      lines.push_back(std::move(line));
    }
    return lines;
  }
  std::vector<float> value(dim_);
  const RowView view = ViewOf(key, row, value);
  std::vector<std::string> lines = {
      fmt::format("row in memory: frequency {}, last update {} (event time, Unix seconds){}",
                  view.frequency,
                  view.last_update,
                  changes_.IsDirty(row) ? ", changed since the last version" : "")};
  for (std::string& line : ExplainRow(rules_, view, clock_)) {
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace freshet::ps
