#pragma once
#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "ps/initializer.h"
#include "ps/life/capacity.h"
#include "ps/life/counting_bloom.h"
#include "ps/life/sweep.h"
#include "ps/optimizer/optimizer.h"
#include "tests/ps/random_features.h"

namespace freshet::ps::test {

// What an embedding table should do, key by key and with std::map: values, states, frequencies,
// candidates, evictions. It shares with the table the rules for one key (FeatureRules), the
// optimizer of one row and the rounding of one value, which have tests of their own.
class TableModel {
 public:
  struct Row {
    Seen seen;
    std::vector<std::byte> stored;  // the value
    std::vector<float> state;
  };

  explicit TableModel(const proto::EmbeddingVariable& variable)
      : optimizer_(MakeOptimizer(variable.optimizer(), variable.dim())),
        format_(variable, optimizer_->state_dim()),
        initializer_(variable.initializers(), variable.seed(), variable.dim()) {
    const proto::Admission& admission = variable.policy().rules().admission();
    if (admission.bloom()) {
      filter_.emplace(
          PartitionMap(1, 1), admission.max_element_size(), admission.false_positive_probability());
    }
  }

  void Apply(const RandomPush& push) {
    Sweep(push);
    for (size_t i = 0; i < push.keys.size(); ++i) {
      if (Row* const row = Touch(push, i)) {
        Update(push, i, *row);
      }
    }
  }

  bool Delete(Key key) {
    candidates_.erase(key);
    if (filter_) {
      filter_->Remove(key);
    }
    return rows_.erase(key) > 0;
  }

  std::vector<float> Pull(Key key, uint32_t slot) const {
    std::vector<float> value(format_.dim());
    if (const auto row = rows_.find(key); row != rows_.end()) {
      format_.codec().Read(row->second.stored.data(), value);
    } else if (format_.rules().Gates(slot)) {
      std::fill(value.begin(), value.end(), policy().default_value_no_permission());
    } else {
      initializer_.Fill(key, value);
      format_.codec().RoundNearest(value);
    }
    return value;
  }

  // What a cut of everything holds.
  EmbeddingRows All() {
    EmbeddingRows all = format_.MakeColumns(rows_.size());
    all.clock = clock_;
    for (const auto& [key, row] : rows_) {
      const RowMeta meta{.frequency = row.seen.frequency, .last_update = row.seen.last_update};
      format_.Append(key,
                     {.meta = &meta,
                      .life = &row.seen.life,
                      .value = row.stored.data(),
                      .state = row.state.data()},
                     all);
    }
    for (const auto& [key, seen] : candidates_) {
      all.candidates.keys.push_back(key);
      all.candidates.frequencies.push_back(seen.frequency);
      all.candidates.last_updates.push_back(seen.last_update);
      if (format_.rules().NeedsLife()) {
        all.candidates.lives.push_back(seen.life);
      }
    }
    if (filter_) {
      filter_->BeginCut(true);
      while (filter_->CopyCut(100)) {
      }
      all.filter = filter_->TakeCut();
      filter_->EndCut(true);
    }
    SortByKey(all);
    return all;
  }

  size_t rows() const { return rows_.size(); }

  size_t candidates() const { return candidates_.size(); }

  uint64_t evicted() const { return evicted_; }

 private:
  const proto::FeaturePolicy& policy() const { return format_.rules().policy(); }

  // Null: no row for the key yet.
  Row* Touch(const RandomPush& push, size_t i) {
    const FeatureRules& rules = format_.rules();
    const Key key = push.keys[i];
    const PushContext& at = push.context;
    if (const auto row = rows_.find(key); row != rows_.end()) {
      rules.Touch(row->second.seen, at.slot, push.counts[i], at.step, at.event_time_s);
      return &row->second;
    }
    Seen seen;
    if (!rules.Gates(at.slot)) {
      rules.Touch(seen, at.slot, push.counts[i], at.step, at.event_time_s);
      return &MakeRow(key, seen);
    }
    if (!rules.MayEverAdmit(key, at.slot)) {
      return nullptr;
    }
    const uint32_t estimate = filter_ ? filter_->Estimate(key) : 0;
    if (filter_) {
      seen.frequency = estimate;
    } else if (candidates_.contains(key)) {
      seen = candidates_[key];
    }
    rules.Touch(seen, at.slot, push.counts[i], at.step, at.event_time_s);
    const bool admitted = rules.Admits(at.slot, seen);
    if (!filter_) {
      candidates_[key] = seen;
    } else if (!admitted) {
      filter_->Add(key, static_cast<uint32_t>(push.counts[i].shows));
    }
    if (!admitted) {
      return nullptr;
    }
    candidates_.erase(key);
    if (filter_) {
      filter_->Remove(key);
      seen.life.shows += static_cast<float>(estimate);
    }
    return &MakeRow(key, seen);
  }

  Row& MakeRow(Key key, const Seen& seen) {
    Row& row = rows_[key];
    row.seen = seen;
    std::vector<float> value(format_.dim());
    initializer_.Fill(key, value);
    row.stored.resize(format_.codec().bytes());
    format_.codec().WriteNearest(value, row.stored.data());
    format_.codec().Read(row.stored.data(), value);
    row.state.resize(format_.state_dim());
    optimizer_->InitState(value.data(), row.state.data());
    return row;
  }

  void Update(const RandomPush& push, size_t i, Row& row) const {
    std::vector<float> value(format_.dim());
    format_.codec().Read(row.stored.data(), value);
    const RowUpdate update{.value = value.data(),
                           .state = row.state.data(),
                           .gradient = &push.gradients[i * format_.dim()]};
    optimizer_->Apply({&update, 1}, push.context.step);
    format_.codec().WriteUpdate(value, push.keys[i], row.seen.frequency, row.stored.data());
  }

  void Sweep(const RandomPush& push) {
    const StreamClock before = clock_;
    clock_ = {.step = push.context.step, .event_time_s = push.context.event_time_s};
    for (const HashRange& range :
         RangesToJudge(before.step, clock_.step, policy().evict_every_steps())) {
      const size_t rows_before = rows_.size();
      std::erase_if(rows_,
                    [&](const auto& entry) { return Goes(entry.first, entry.second, range); });
      std::erase_if(candidates_, [&](const auto& entry) {
        return IsIn(entry.first, range) &&
               format_.rules().WhyForget(ViewOf(entry.first, entry.second), clock_) !=
                   EvictReason::kNone;
      });
      KeepCapacity(range);
      evicted_ += rows_before - rows_.size();
    }
  }

  void KeepCapacity(const HashRange& range) {
    if (policy().capacity().max_bytes() == 0) {
      return;
    }
    std::vector<CapacityRow> staying;
    for (const auto& [key, row] : rows_) {
      if (IsIn(key, range)) {
        staying.push_back(
            {.key = key, .frequency = row.seen.frequency, .last_update = row.seen.last_update});
      }
    }
    // docs/features.md: key, metadata, value, state, life, and 8 bytes for finding them.
    const CapacityBound bound{.max_bytes = policy().capacity().max_bytes(),
                              .bytes_per_row = 8 + 8 + format_.codec().bytes() +
                                               4 * format_.state_dim() +
                                               (format_.rules().NeedsLife() ? 16 : 0) + 8,
                              .partitions = 1,
                              .all_partitions = 1};
    for (const Key key :
         BeyondCapacity(staying, RowShare(bound, range), policy().capacity().evict_strategy())) {
      rows_.erase(key);
    }
  }

  static bool IsIn(Key key, const HashRange& range) {
    const uint64_t hash = SplitMix64(key);
    return hash >= range.begin && hash <= range.end_inclusive;
  }

  static RowView ViewOf(Key key, const Seen& seen) {
    return {.key = key,
            .frequency = seen.frequency,
            .last_update = seen.last_update,
            .life = &seen.life};
  }

  bool Goes(Key key, const Row& row, const HashRange& range) const {
    if (!IsIn(key, range)) {
      return false;
    }
    RowView view = ViewOf(key, row.seen);
    view.life = format_.rules().NeedsLife() ? view.life : nullptr;
    std::vector<float> value(format_.dim());
    format_.codec().Read(row.stored.data(), value);
    view.value = value;
    return format_.rules().WhyEvict(view, clock_) != EvictReason::kNone;
  }

  const std::unique_ptr<Optimizer> optimizer_;
  const RowFormat format_;
  const RowInitializer initializer_;
  StreamClock clock_;
  std::map<Key, Row> rows_;
  std::map<Key, Seen> candidates_;
  std::optional<CountingBloom> filter_;
  uint64_t evicted_ = 0;
};

}  // namespace freshet::ps::test
