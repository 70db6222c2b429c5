// An embedding table under a feature policy: beside a std::map that follows the same rules, and
// taken back to a cut at any moment.
#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "ps/cut_columns.h"
#include "ps/embedding_table.h"
#include "tests/ps/models.h"

namespace freshet::ps {
namespace {

constexpr uint32_t kDim = 3;
constexpr uint32_t kSlots = 3;
constexpr uint32_t kDaySeconds = 86'400;

// Which rules are on is drawn at random.
proto::EmbeddingVariable RandomVariable(std::mt19937_64& random, bool bloom, bool capacity) {
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

RandomPush MakePush(std::mt19937_64& random, uint64_t step) {
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

void Apply(EmbeddingTable& table, RandomPush& push) {
  table.Advance({.step = push.context.step, .event_time_s = push.context.event_time_s});
  push.context.counts = push.counts;
  table.Push(push.keys, {}, push.gradients, push.context);
}

EmbeddingRows CutOf(EmbeddingTable& table, bool full) {
  table.BeginCut(full);
  while (table.CopyCut(13)) {
  }
  EmbeddingRows rows = table.TakeCut();
  table.EndCut(true);
  SortByKey(rows);
  return rows;
}

void Load(EmbeddingTable& table, const EmbeddingRows& rows) {
  std::vector<uint32_t> all(rows.keys.size());
  for (uint32_t i = 0; i < all.size(); ++i) {
    all[i] = i;
  }
  REQUIRE(table.Load(rows, all, rows.tombstones, [](Key) { return true; }).ok());
}

bool Same(const EmbeddingRows& a, const EmbeddingRows& b) {
  return a.keys == b.keys && a.values == b.values && a.states == b.states &&
         a.frequencies == b.frequencies && a.last_updates == b.last_updates && a.lives == b.lives &&
         a.served == b.served && a.candidates.keys == b.candidates.keys &&
         a.candidates.frequencies == b.candidates.frequencies &&
         a.candidates.last_updates == b.candidates.last_updates &&
         a.candidates.lives == b.candidates.lives && a.filter.blocks == b.filter.blocks &&
         a.filter.counters == b.filter.counters && a.clock == b.clock;
}

TEST_CASE("a table taken back to a cut goes on as the one that was not interrupted", "[ps]") {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    const auto variable = RandomVariable(random, seed % 3 == 0, seed % 2 == 0);
    EmbeddingTable straight(variable);
    auto interrupted = std::make_unique<EmbeddingTable>(variable);
    std::vector<RandomPush> since_cut;
    std::vector<EmbeddingRows> cuts;
    for (uint64_t step = 1; step <= 300; ++step) {
      RandomPush push = MakePush(random, step);
      Apply(straight, push);
      Apply(*interrupted, push);
      since_cut.push_back(std::move(push));
      if (random() % 10 == 0) {
        cuts.push_back(CutOf(*interrupted, cuts.empty()));
        since_cut.clear();
      } else if (random() % 15 == 0) {
        interrupted = std::make_unique<EmbeddingTable>(variable);
        for (const EmbeddingRows& cut : cuts) {
          Load(*interrupted, cut);
        }
        for (RandomPush& again : since_cut) {
          Apply(*interrupted, again);
        }
      }
    }
    CHECK(Same(CutOf(straight, true), CutOf(*interrupted, true)));
    CHECK(straight.rows() == interrupted->rows());
  }
}

// What a table with exact counters should do, row by row and with a std::map.
class ModelTable {
 public:
  explicit ModelTable(const proto::EmbeddingVariable& variable)
      : rules_(variable), every_(variable.policy().evict_every_steps()) {}

  void Apply(const RandomPush& push) {
    Sweep(push);
    for (size_t i = 0; i < push.keys.size(); ++i) {
      Touch(push, i);
    }
  }

  const std::map<Key, Seen>& rows() const { return rows_; }

  size_t candidates() const { return candidates_.size(); }

 private:
  void Touch(const RandomPush& push, size_t i) {
    const Key key = push.keys[i];
    const PushContext& at = push.context;
    if (const auto row = rows_.find(key); row != rows_.end()) {
      rules_.Touch(row->second, at.slot, push.counts[i], at.step, at.event_time_s);
      return;
    }
    Seen seen = candidates_.contains(key) ? candidates_[key] : Seen();
    rules_.Touch(seen, at.slot, push.counts[i], at.step, at.event_time_s);
    if (!rules_.Gates(at.slot)) {
      rows_[key] = seen;
    } else if (rules_.MayEverAdmit(key, at.slot)) {
      if (rules_.Admits(at.slot, seen)) {
        candidates_.erase(key);
        rows_[key] = seen;
      } else {
        candidates_[key] = seen;
      }
    }
  }

  void Sweep(const RandomPush& push) {
    const StreamClock before = clock_;
    clock_ = {.step = push.context.step, .event_time_s = push.context.event_time_s};
    for (const HashRange& range : RangesToJudge(before.step, clock_.step, every_)) {
      std::erase_if(rows_, [&](const auto& entry) { return Goes(entry, range, false); });
      std::erase_if(candidates_, [&](const auto& entry) { return Goes(entry, range, true); });
    }
  }

  bool Goes(const std::pair<const Key, Seen>& entry, const HashRange& range, bool candidate) const {
    const uint64_t hash = SplitMix64(entry.first);
    const RowView row{.key = entry.first,
                      .frequency = entry.second.frequency,
                      .last_update = entry.second.last_update,
                      .life = &entry.second.life};
    return hash >= range.begin && hash <= range.end_inclusive &&
           (candidate ? rules_.WhyForget(row, clock_) : rules_.WhyEvict(row, clock_)) !=
               EvictReason::kNone;
  }

  const FeatureRules rules_;
  const uint32_t every_;
  StreamClock clock_;
  std::map<Key, Seen> rows_;
  std::map<Key, Seen> candidates_;
};

TEST_CASE("a table admits and evicts as a std::map under the same rules", "[ps]") {
  uint64_t evicted = 0;
  uint64_t held_back = 0;
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    auto variable = RandomVariable(random, false, false);
    // The model has no values.
    variable.mutable_policy()->mutable_rules()->mutable_eviction()->clear_l2_weight_threshold();
    EmbeddingTable table(variable);
    ModelTable model(variable);
    for (uint64_t step = 1; step <= 300; ++step) {
      RandomPush push = MakePush(random, step);
      Apply(table, push);
      model.Apply(push);
      REQUIRE(table.rows() == model.rows().size());
      REQUIRE(table.candidates() == model.candidates());
    }
    const EmbeddingRows rows = CutOf(table, true);
    for (size_t i = 0; i < rows.keys.size(); ++i) {
      const Seen& expected = model.rows().at(rows.keys[i]);
      CHECK(rows.frequencies[i] == expected.frequency);
      CHECK(rows.last_updates[i] == expected.last_update);
      CHECK(rows.lives[i] == expected.life);
    }
    for (const uint64_t count : table.evicted().by_reason) {
      evicted += count;
    }
    held_back += table.candidates();
  }
  CHECK(evicted > 1000);
  CHECK(held_back > 1000);
}

TEST_CASE("a key that is not admitted reads the policy's default, and learns nothing", "[ps]") {
  proto::EmbeddingVariable variable = test::EmbeddingOf("v", kDim, test::AdagradOf(0.1F));
  variable.mutable_policy()->mutable_rules()->mutable_admission()->set_filter_freq(3);
  variable.mutable_policy()->set_default_value_no_permission(0.5F);
  EmbeddingTable table(variable);
  const std::vector<Key> keys = {7};
  const std::vector<float> gradient(kDim, 1.0F);
  std::vector<float> value(kDim);
  for (int push = 0; push < 2; ++push) {
    table.Push(keys, {}, gradient, {});
    table.Pull(keys, {}, value);
    CHECK(value == std::vector<float>(kDim, 0.5F));
    CHECK(table.rows() == 0);
  }
  CHECK(table.candidates() == 1);
  table.Push(keys, {}, gradient, {});
  table.Pull(keys, {}, value);
  CHECK(value != std::vector<float>(kDim, 0.5F));
  CHECK(table.rows() == 1);
  CHECK(table.candidates() == 0);
  CHECK(*table.Delete(keys) == 1);
  table.Push(keys, {}, gradient, {});
  CHECK(table.rows() == 0);  // it starts again from nothing
}

TEST_CASE("a table tells what it knows of a key, with and without a row", "[ps]") {
  proto::EmbeddingVariable variable = test::EmbeddingOf("v", kDim, test::AdagradOf(0.1F));
  variable.mutable_policy()->mutable_rules()->mutable_admission()->set_filter_freq(2);
  EmbeddingTable table(variable);
  const std::vector<Key> keys = {7};
  const std::vector<float> gradient(kDim, 1.0F);
  CHECK(table.Explain(7, 0)->front() == "no row");
  table.Push(keys, {}, gradient, {.event_time_s = 90});
  CHECK(table.Explain(7, 0)->front() == "no row");
  table.Push(keys, {}, gradient, {.event_time_s = 90});
  CHECK(table.Explain(7, 0)->front() ==
        "row in memory: frequency 2, last update 90 (event time, Unix seconds), changed since the "
        "last version");
}

TEST_CASE("an evicted row is a tombstone in the next cut", "[ps]") {
  proto::EmbeddingVariable variable = test::EmbeddingOf("v", kDim, test::AdagradOf(0.1F));
  variable.mutable_policy()->mutable_rules()->mutable_eviction()->set_steps_to_live(5);
  variable.mutable_policy()->set_evict_every_steps(1);
  EmbeddingTable table(variable);
  const std::vector<float> gradient(kDim, 1.0F);
  table.Advance({.step = 1});
  table.Push(std::vector<Key>{1}, {}, gradient, {.step = 1});
  CutOf(table, false);
  table.Advance({.step = 6});
  CHECK(table.rows() == 1);
  CHECK(table.WouldEvict()->by_reason[static_cast<size_t>(EvictReason::kStepsToLive)] == 0);
  table.Advance({.step = 7});
  CHECK(table.rows() == 0);
  CHECK(table.evicted().by_reason[static_cast<size_t>(EvictReason::kStepsToLive)] == 1);
  CHECK(CutOf(table, false).tombstones == std::vector<Key>{1});
}

TEST_CASE("memory of rows that are gone is given back", "[ps]") {
  EmbeddingTable table(test::EmbeddingOf("v", kDim, test::AdagradOf(0.1F)));
  std::vector<Key> keys;
  for (Key i = 0; i < 100'000; ++i) {
    keys.push_back(SplitMix64(i));
  }
  table.Push(keys, {}, std::vector<float>(keys.size() * kDim, 1.0F), {});
  CutOf(table, false);
  const uint64_t before = table.bytes();
  // Every tenth stays: the rows are all over the memory.
  std::vector<Key> staying;
  std::vector<Key> going;
  for (size_t i = 0; i < keys.size(); ++i) {
    (i % 10 == 0 ? staying : going).push_back(keys[i]);
  }
  std::vector<float> expected(staying.size() * kDim);
  table.Push(staying, {}, expected, {.event_time_s = 9});  // dirty, and with a zero gradient
  table.Pull(staying, {}, expected);
  CHECK(*table.Delete(going) == going.size());
  while (table.Tidy()) {
  }
  const EmbeddingRows cut = CutOf(table, false);
  CHECK(cut.keys.size() == staying.size());
  CHECK(cut.tombstones.size() == going.size());
  std::vector<float> got(expected.size());
  table.Pull(staying, {}, got);
  CHECK(got == expected);
  CHECK(table.rows() == staying.size());
  CHECK(table.bytes() < before / 2);
}

}  // namespace
}  // namespace freshet::ps
