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

Status EmbeddingTable::Advance(const StreamClock& clock) {
  const uint64_t before = clock_.step;
  clock_.step = std::max(clock_.step, clock.step);
  clock_.event_time_s = std::max(clock_.event_time_s, clock.event_time_s);
  if (!evicts_) {
    return absl::OkStatus();
  }
  for (const HashRange& range :
       RangesToJudge(before, clock_.step, rules_.policy().evict_every_steps())) {
    FRESHET_RETURN_IF_ERROR(Evict(range).status());
  }
  return absl::OkStatus();
}

StatusOr<EmbeddingTable::Doomed> EmbeddingTable::FindDoomed(const HashRange& range) {
  const proto::Capacity& capacity = rules_.policy().capacity();
  Doomed doomed;
  std::vector<CapacityRow> staying;
  std::vector<float> value(dim_);
  FRESHET_RETURN_IF_ERROR(ForEachRow(range, [&](Key key, const RowParts& parts) {
    const RowView row = format_->ViewOf(key, parts, value);
    const EvictReason reason = rules_.WhyEvict(row, clock_);
    if (reason != EvictReason::kNone) {
      doomed.keys.push_back(key);
      ++doomed.count.by_reason[static_cast<size_t>(reason)];
    } else if (capacity.max_bytes() > 0) {
      staying.push_back({.key = key, .frequency = row.frequency, .last_update = row.last_update});
    }
  }));
  if (capacity.max_bytes() > 0) {
    const CapacityBound bound{
        .max_bytes = capacity.max_bytes(),
        .bytes_per_row = sizeof(Key) + rows_.bytes_per_row() + kRowOverheadBytes,
        .partitions = share_.owned_partitions,
        .all_partitions = share_.partitions.partition_count()};
    const std::vector<Key> beyond =
        BeyondCapacity(std::move(staying), RowShare(bound, range), capacity.evict_strategy());
    doomed.keys.insert(doomed.keys.end(), beyond.begin(), beyond.end());
    doomed.count.capacity = beyond.size();
  }
  return doomed;
}

StatusOr<EvictedRows> EmbeddingTable::Evict(const HashRange& range) {
  FRESHET_ASSIGN_OR_RETURN(const Doomed doomed, FindDoomed(range));
  std::vector<Key> not_hot;
  for (const Key key : doomed.keys) {
    if (const RowSlot slot = index_.Find(key); slot != kNoRow) {
      DeleteRow(key, slot);
    } else {
      not_hot.push_back(key);
    }
  }
  FRESHET_RETURN_IF_ERROR(EraseCold(not_hot).status());
  evicted_ += doomed.count;
  admission_->Evict(range.begin, range.end_inclusive, clock_);
  return doomed.count;
}

StatusOr<EvictedRows> EmbeddingTable::WouldEvict() {
  if (!evicts_) {
    return EvictedRows();
  }
  FRESHET_ASSIGN_OR_RETURN(const Doomed doomed, FindDoomed(kEveryHash));
  return doomed.count;
}

StatusOr<EvictedRows> EmbeddingTable::EvictAll() {
  return evicts_ ? Evict(kEveryHash) : EvictedRows();
}

StatusOr<std::vector<std::string>> EmbeddingTable::Explain(Key key, uint32_t slot) {
  const RowSlot hot = index_.Find(key);
  RowParts row;
  if (hot != kNoRow) {
    row = rows_.parts(hot);
  } else if (has_cold()) {
    records_.resize(format_->record_bytes());
    states_.resize(1);
    FRESHET_RETURN_IF_ERROR(cold_->Get({&key, 1}, records_, states_));
    if (states_.front() != RowState::kNone) {
      row = format_->PartsOf(records_.data());
    }
  }
  if (row.meta == nullptr) {
    std::vector<std::string> lines = {"no row"};
    const std::optional<Seen> seen = admission_ ? admission_->Peek(key) : std::optional<Seen>();
    for (std::string& line : ExplainAdmission(rules_, key, slot, seen, clock_)) {
      lines.push_back(std::move(line));
    }
    return lines;
  }
  std::vector<float> value(dim_);
  const RowView view = format_->ViewOf(key, row, value);
  const bool changed = hot != kNoRow ? changes_.IsDirty(hot) : states_.front() == RowState::kDirty;
  std::vector<std::string> lines = {
      fmt::format("row {}: frequency {}, last update {} (event time, Unix seconds){}",
                  hot != kNoRow ? "in memory" : "on disk",
                  view.frequency,
                  view.last_update,
                  changed ? ", changed since the last version" : "")};
  for (std::string& line : ExplainRow(rules_, view, clock_)) {
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace freshet::ps
