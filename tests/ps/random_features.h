#pragma once
#include <algorithm>
#include <catch2/catch.hpp>
#include <iterator>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/version_log/sort_columns.h"
#include "ps/embedding_table.h"
#include "tests/ps/models.h"

// Feature policies, and streams of pushes, drawn at random.
namespace freshet::ps::test {

inline constexpr uint32_t kDim = 3;
inline constexpr uint32_t kSlots = 3;
inline constexpr uint32_t kDaySeconds = 86'400;

// Which rules are on is drawn at random.
inline proto::EmbeddingVariable RandomVariable(std::mt19937_64& random, bool bloom, bool capacity) {
  proto::EmbeddingVariable variable = test::EmbeddingOf("v", kDim, test::AdagradOf(0.1F));
  const auto coin = [&random] { return random() % 2 == 0; };
  const auto from = [&random](uint32_t least, uint32_t choices) {
    return least + static_cast<uint32_t>(random() % choices);
  };
  variable.set_value_type(static_cast<proto::ValueType>(random() % 3));
  proto::FeaturePolicy& policy = *variable.mutable_policy();
  policy.set_default_value_no_permission(0.25F);
  policy.mutable_score()->set_nonclk_coeff(0.1F);
  policy.mutable_score()->set_click_coeff(1.0F);
  policy.mutable_score()->set_show_click_decay_rate(0.9F);
  proto::RowRules& rules = *policy.mutable_rules();
  if (coin()) {
    rules.mutable_admission()->set_filter_freq(from(2, 4));
    if (bloom) {
      rules.mutable_admission()->set_bloom(true);
      rules.mutable_admission()->set_max_element_size(2000);
      rules.mutable_admission()->set_false_positive_probability(0.01);
    }
  }
  if (coin()) {
    rules.mutable_admission()->set_admit_probability(0.7F);
  }
  if (coin() && !rules.admission().bloom()) {
    rules.mutable_admission()->set_score_threshold(0.3F);
  }
  rules.mutable_eviction()->set_steps_to_live(from(50, 200));
  if (coin()) {
    rules.mutable_eviction()->set_ttl_secs(kDaySeconds);
  }
  if (coin()) {
    rules.mutable_eviction()->set_l2_weight_threshold(0.05F);
  }
  if (coin()) {
    rules.mutable_eviction()->set_delete_threshold(0.15F);
  }
  if (coin()) {
    rules.mutable_serving()->set_min_frequency(3);
  }
  if (coin()) {
    proto::SlotRules& slot = *policy.add_slots();
    slot.set_slot(1);
    slot.mutable_rules()->mutable_admission()->set_filter_freq(3);
    slot.mutable_rules()->mutable_eviction()->set_steps_to_live(500);
  }
  if (capacity) {
    policy.mutable_capacity()->set_max_bytes(60 * 100);
    policy.mutable_capacity()->set_evict_strategy(coin() ? proto::Capacity::LRU
                                                         : proto::Capacity::LFU);
  }
  policy.set_evict_every_steps(from(1, 20));
  return variable;
}

// One push: keys of one slot, with gradients and counts.
struct RandomPush {
  PushContext context;
  std::vector<Key> keys;
  std::vector<float> gradients;
  std::vector<KeyCount> counts;
};

inline RandomPush MakePush(std::mt19937_64& random, uint64_t step) {
  RandomPush push;
  push.context.step = step;
  push.context.event_time_s = static_cast<uint32_t>(1'700'000'000 + step * 2000);
  push.context.slot = static_cast<uint32_t>(random() % kSlots);
  std::set<Key> keys;
  for (size_t i = random() % 40; i > 0; --i) {
    // Some often, others rarely; a key belongs to one slot.
    const uint64_t id = random() % (random() % 2 == 0 ? 20 : 600);
    keys.insert(SplitMix64(id * kSlots + push.context.slot));
  }
  push.keys.assign(keys.begin(), keys.end());
  for (size_t i = 0; i < push.keys.size(); ++i) {
    for (uint32_t column = 0; column < kDim; ++column) {
      push.gradients.push_back(static_cast<float>(random() % 2001) * 0.001F - 1.0F);
    }
    const auto shows = static_cast<float>(1 + random() % 3);
    push.counts.push_back({.shows = shows, .clicks = random() % 2 == 0 ? 0.0F : 1.0F});
  }
  return push;
}

inline void Apply(EmbeddingTable& table, RandomPush& push) {
  REQUIRE(
      table.Advance({.step = push.context.step, .event_time_s = push.context.event_time_s}).ok());
  push.context.counts = push.counts;
  REQUIRE(table.Push(push.keys, {}, push.gradients, push.context).ok());
}

// The rows of several parts in one, by key, as a part of a table without rows on disk.
inline void Join(const EmbeddingRows& more, EmbeddingRows& all) {
  const auto append = [](const auto& from, auto& to) {
    to.insert(to.end(), from.begin(), from.end());
  };
  append(more.keys, all.keys);
  append(more.values, all.values);
  append(more.states, all.states);
  append(more.frequencies, all.frequencies);
  append(more.last_updates, all.last_updates);
  append(more.lives, all.lives);
  append(more.served, all.served);
}

// Takes a cut that has been copied, rows on disk included.
inline EmbeddingRows TakeCutOf(EmbeddingTable& table) {
  EmbeddingRows all = table.TakeCut();
  if (const std::unique_ptr<ColdColumns> cold = table.TakeColdCut()) {
    while (true) {
      const auto rows = cold->Next(1000);
      REQUIRE(rows.ok());
      if (rows->keys.empty()) {
        break;
      }
      REQUIRE(rows->clock == all.clock);
      Join(*rows, all);
    }
  }
  SortByKey(all);
  return all;
}

inline EmbeddingRows CutOf(EmbeddingTable& table, bool full, bool committed = true) {
  table.BeginCut(full);
  while (table.CopyCut(13)) {
  }
  EmbeddingRows rows = TakeCutOf(table);
  table.EndCut(committed);
  return rows;
}

inline void Load(EmbeddingTable& table, const EmbeddingRows& rows) {
  std::vector<uint32_t> all(rows.keys.size());
  for (uint32_t i = 0; i < all.size(); ++i) {
    all[i] = i;
  }
  REQUIRE(table.Load(rows, all, rows.tombstones, [](Key) { return true; }).ok());
}

// What a part that was read for some keys alone loads: their rows and tombstones, and all that is
// known of keys without a row.
inline void LoadOnly(EmbeddingTable& table,
                     const EmbeddingRows& rows,
                     const TouchedKeys::Keys& only) {
  std::vector<uint32_t> picked;
  for (uint32_t i = 0; i < rows.keys.size(); ++i) {
    if (only.contains(rows.keys[i])) {
      picked.push_back(i);
    }
  }
  std::vector<Key> tombstones;
  std::copy_if(
      rows.tombstones.begin(), rows.tombstones.end(), std::back_inserter(tombstones), [&](Key key) {
        return only.contains(key);
      });
  REQUIRE(table.Load(rows, picked, tombstones, [](Key) { return true; }).ok());
}

// The first column in which they differ, tombstones aside; empty if in none.
inline std::string DifferenceOf(const EmbeddingRows& a, const EmbeddingRows& b) {
  const std::pair<const char*, bool> columns[] = {
      {"keys", a.keys == b.keys},
      {"values", a.values == b.values},
      {"states", a.states == b.states},
      {"frequencies", a.frequencies == b.frequencies},
      {"last_updates", a.last_updates == b.last_updates},
      {"lives", a.lives == b.lives},
      {"served", a.served == b.served},
      {"candidates", a.candidates.keys == b.candidates.keys},
      {"frequencies of candidates", a.candidates.frequencies == b.candidates.frequencies},
      {"last updates of candidates", a.candidates.last_updates == b.candidates.last_updates},
      {"lives of candidates", a.candidates.lives == b.candidates.lives},
      {"blocks of the filter", a.filter.blocks == b.filter.blocks},
      {"counters of the filter", a.filter.counters == b.filter.counters},
      {"clock", a.clock == b.clock}};
  for (const auto& [name, same] : columns) {
    if (!same) {
      return name;
    }
  }
  return "";
}

}  // namespace freshet::ps::test
