#include "ps/life/feature_rules.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <random>

#include "tests/ps/life/policies.h"

namespace freshet::ps {
namespace {

using test::kDay;
using test::VariableWith;

FeatureRules RulesWith(const proto::FeaturePolicy& policy) {
  return FeatureRules(VariableWith(policy));
}

proto::FeaturePolicy Evicting(const proto::Eviction& eviction) {
  proto::FeaturePolicy policy;
  *policy.mutable_rules()->mutable_eviction() = eviction;
  policy.set_evict_every_steps(10);
  return policy;
}

TEST_CASE("without a policy every key has a row, for ever, and is served", "[ps][life]") {
  const FeatureRules rules = RulesWith({});
  CHECK_FALSE(rules.NeedsLife());
  CHECK_FALSE(rules.Gates(0));
  CHECK_FALSE(rules.FiltersServing());
  CHECK(rules.MayEverAdmit(7, 0));
  const RowView row{.key = 7};
  const StreamClock far{.step = UINT64_MAX, .event_time_s = UINT64_MAX};
  CHECK(rules.WhyEvict(row, far) == EvictReason::kNone);
  CHECK(rules.Serves(row, far));
}

TEST_CASE("admit_probability lets in its share of keys, and the seed says which", "[ps][life]") {
  proto::FeaturePolicy policy;
  policy.mutable_rules()->mutable_admission()->set_admit_probability(0.3F);
  proto::EmbeddingVariable variable = VariableWith(policy);
  const FeatureRules rules(variable);
  variable.set_seed(variable.seed() + 1);
  const FeatureRules other(variable);
  constexpr int kKeys = 100'000;
  int admitted = 0;
  int both = 0;
  for (Key key = 0; key < kKeys; ++key) {
    admitted += rules.MayEverAdmit(key, 0) ? 1 : 0;
    both += rules.MayEverAdmit(key, 0) && other.MayEverAdmit(key, 0) ? 1 : 0;
  }
  // Six standard deviations: sqrt(p (1 - p) n) is 145 and 91.
  CHECK(std::abs(admitted - 30'000) < 870);
  CHECK(std::abs(both - 9'000) < 546);
  CHECK(rules.Gates(0));
  // Golden: which keys these are is persisted, by the rows that are there.
  std::vector<Key> first;
  for (Key key = 0; first.size() < 6; ++key) {
    if (rules.MayEverAdmit(key, 0)) {
      first.push_back(key);
    }
  }
  CHECK(first == std::vector<Key>{4, 5, 13, 15, 16, 17});
}

TEST_CASE("a slot's rules stand instead of the variable's, section by section", "[ps][life]") {
  proto::FeaturePolicy policy = test::FrequencyPolicy(5);
  policy.mutable_rules()->mutable_eviction()->set_ttl_secs(100);
  policy.set_evict_every_steps(10);
  proto::SlotRules* slot = policy.add_slots();
  slot->set_slot(2);
  slot->mutable_rules()->mutable_admission();  // set, with nothing in it: admits at once
  const FeatureRules rules = RulesWith(policy);
  CHECK(rules.NeedsLife());
  CHECK(rules.Gates(0));
  CHECK(rules.Gates(1));
  CHECK_FALSE(rules.Gates(2));
  CHECK(rules.Gates(3));
  const FeatureLife life{.slot = 2};
  CHECK(rules.WhyEvict({.life = &life}, {.event_time_s = 101}) == EvictReason::kTtl);
}

TEST_CASE("a row goes when its last push is more than so long ago", "[ps][life]") {
  proto::Eviction eviction;
  SECTION("steps") {
    eviction.set_steps_to_live(10);
    const FeatureRules rules = RulesWith(Evicting(eviction));
    CHECK(rules.NeedsLife());
    const FeatureLife life{.last_step = 100};
    const RowView row{.life = &life};
    CHECK(rules.WhyEvict(row, {.step = 50}) == EvictReason::kNone);
    CHECK(rules.WhyEvict(row, {.step = 110}) == EvictReason::kNone);
    CHECK(rules.WhyEvict(row, {.step = 111}) == EvictReason::kStepsToLive);
    CHECK(rules.WhyEvict({}, {.step = 111}) == EvictReason::kNone);  // its life is unknown
  }
  SECTION("steps beyond what a life can hold") {
    eviction.set_steps_to_live(10);
    const FeatureRules rules = RulesWith(Evicting(eviction));
    FeatureLife life;
    rules.Touch(life, 0, {}, uint64_t{1} << 40U, 0);
    CHECK(life.last_step == UINT32_MAX);
    CHECK(rules.WhyEvict({.life = &life}, {.step = uint64_t{1} << 41U}) == EvictReason::kNone);
  }
  SECTION("event time") {
    eviction.set_ttl_secs(10);
    const FeatureRules rules = RulesWith(Evicting(eviction));
    CHECK_FALSE(rules.NeedsLife());
    const RowView row{.last_update = 100};
    CHECK(rules.WhyEvict(row, {.event_time_s = 110}) == EvictReason::kNone);
    CHECK(rules.WhyEvict(row, {.event_time_s = 111}) == EvictReason::kTtl);
  }
  SECTION("days, from midnight to midnight") {
    eviction.set_delete_after_unseen_days(2);
    const FeatureRules rules = RulesWith(Evicting(eviction));
    CHECK_FALSE(rules.NeedsLife());
    const RowView row{.last_update = 10 * kDay + kDay - 1};
    CHECK(rules.WhyEvict(row, {.event_time_s = 13 * kDay - 1}) == EvictReason::kNone);
    CHECK(rules.WhyEvict(row, {.event_time_s = 13 * kDay}) == EvictReason::kUnseenDays);
    CHECK(rules.WhyForget(row, {.event_time_s = 13 * kDay}) == EvictReason::kUnseenDays);
  }
}

TEST_CASE("a row goes when its value or its score is too small", "[ps][life]") {
  proto::Eviction eviction;
  eviction.set_l2_weight_threshold(5);
  eviction.set_delete_threshold(2);
  proto::FeaturePolicy policy = Evicting(eviction);
  test::SetScore(&policy, 0.5F, 3, 0.5F);
  const FeatureRules rules = RulesWith(policy);
  const std::vector<float> exactly = {3, 4};  // its norm is 5
  const std::vector<float> below = {3, 3.9F};
  const FeatureLife life{.shows = 4, .clicks = 1, .score_day = 10};  // 0.5 * 3 + 3 * 1 = 4.5
  const StreamClock today{.event_time_s = 10 * kDay};
  CHECK(rules.WhyEvict({.life = &life, .value = exactly}, today) == EvictReason::kNone);
  CHECK(rules.WhyEvict({.life = &life, .value = below}, today) == EvictReason::kL2Weight);
  // Half of it a day later, and 1.125 after two days.
  CHECK(rules.ScoreOf(life, {.event_time_s = 11 * kDay}) == 2.25F);
  CHECK(rules.WhyEvict({.life = &life, .value = exactly}, {.event_time_s = 11 * kDay}) ==
        EvictReason::kNone);
  CHECK(rules.WhyEvict({.life = &life, .value = exactly}, {.event_time_s = 12 * kDay}) ==
        EvictReason::kScore);
  // A candidate has no value yet, and a low score is why it is one.
  CHECK(rules.WhyForget({.life = &life}, {.event_time_s = 12 * kDay}) == EvictReason::kNone);
}

TEST_CASE("serving gets the rows that pass every rule", "[ps][life]") {
  proto::FeaturePolicy policy;
  proto::ServingFilter* serving = policy.mutable_rules()->mutable_serving();
  serving->set_min_frequency(3);
  serving->set_l2_weight_threshold(5);
  serving->set_score_threshold(1);
  test::SetScore(&policy, 0, 1, 1);
  const FeatureRules rules = RulesWith(policy);
  CHECK(rules.FiltersServing());
  const std::vector<float> value = {3, 4};
  const std::vector<float> small = {3, 3};
  const FeatureLife clicked{.shows = 1, .clicks = 1};
  const FeatureLife unclicked{.shows = 9};
  CHECK(rules.Serves({.frequency = 3, .life = &clicked, .value = value}, {}));
  CHECK_FALSE(rules.Serves({.frequency = 2, .life = &clicked, .value = value}, {}));
  CHECK_FALSE(rules.Serves({.frequency = 3, .life = &clicked, .value = small}, {}));
  CHECK_FALSE(rules.Serves({.frequency = 3, .life = &unclicked, .value = value}, {}));
}

TEST_CASE("a frequency counts samples and stops", "[ps][life]") {
  CHECK(AddFrequency(3, {.shows = 4}) == 7);
  CHECK(AddFrequency(UINT32_MAX - 1, {.shows = 4}) == UINT32_MAX);
}

TEST_CASE("a count is whole, and has no more clicks than shows", "[ps][life]") {
  CHECK(KeyCount{.shows = 3, .clicks = 3}.IsValid());
  CHECK(KeyCount{}.IsValid());
  for (const KeyCount& count : {KeyCount{.shows = 0},
                                KeyCount{.shows = -1},
                                KeyCount{.shows = 1.5F},
                                KeyCount{.shows = 1e30F},
                                KeyCount{.shows = NAN},
                                KeyCount{.shows = 2, .clicks = NAN},
                                KeyCount{.shows = 2, .clicks = 3},
                                KeyCount{.shows = 2, .clicks = 0.5F}}) {
    CHECK_FALSE(count.IsValid());
  }
}

// What "shows and clicks are multiplied at each change of the day" means, done at every midnight.
struct Daily {
  float rate;
  float shows = 0;
  float clicks = 0;
  uint32_t day = 0;

  void GoTo(uint32_t to) {
    for (; day < to; ++day) {
      shows *= rate;
      clicks *= rate;
    }
  }
};

TEST_CASE("decay is the daily one, bit for bit, whenever rows are judged", "[ps][life]") {
  for (const uint64_t seed : {1, 2, 3}) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    proto::Eviction eviction;
    eviction.set_delete_threshold(0.4F);
    proto::FeaturePolicy policy = Evicting(eviction);
    test::SetScore(&policy, 0.1F, 1, 0.93F);
    const FeatureRules rules = RulesWith(policy);
    FeatureLife rarely;  // judged never
    FeatureLife often;
    Daily daily{.rate = 0.93F};
    uint32_t time = 0;
    for (int i = 0; i < 2000; ++i) {
      time += static_cast<uint32_t>(random() % (4 * kDay));
      if (random() % 3 == 0) {
        const KeyCount count{.shows = static_cast<float>(1 + random() % 9),
                             .clicks = static_cast<float>(random() % 2)};
        rules.Touch(rarely, 1, count, 1, time);
        rules.Touch(often, 1, count, 1, time);
        daily.GoTo(time / kDay);
        daily.shows += count.shows;
        daily.clicks += count.clicks;
      } else {
        const FeatureLife before = often;
        const float score = rules.ScoreOf(often, {.event_time_s = time});
        const EvictReason reason = rules.WhyEvict({.life = &often}, {.event_time_s = time});
        daily.GoTo(time / kDay);
        REQUIRE(score == 0.1F * (daily.shows - daily.clicks) + 1.0F * daily.clicks);
        REQUIRE((reason == EvictReason::kScore) == (score < 0.4F));
        REQUIRE(often == before);
      }
      REQUIRE(rarely == often);
    }
  }
}

TEST_CASE("a push that comes late counts as one of the row's last day", "[ps][life]") {
  proto::FeaturePolicy policy = Evicting({});
  policy.mutable_rules()->mutable_eviction()->set_delete_threshold(1);
  test::SetScore(&policy, 1, 1, 0.5F);
  const FeatureRules rules = RulesWith(policy);
  FeatureLife life;
  rules.Touch(life, 0, {.shows = 4}, 9, 10 * kDay);
  rules.Touch(life, 0, {.shows = 2}, 7, 8 * kDay);
  CHECK(life == FeatureLife{.shows = 6, .last_step = 9, .score_day = 10});
}

TEST_CASE("decay over very many days ends", "[ps][life]") {
  proto::FeaturePolicy policy = Evicting({});
  policy.mutable_rules()->mutable_eviction()->set_delete_threshold(1);
  test::SetScore(&policy, 1, 1, 0.98F);
  const FeatureRules rules = RulesWith(policy);
  const FeatureLife life{.shows = 1e9F, .clicks = 1e8F};
  CHECK(rules.ScoreOf(life, {.event_time_s = UINT64_MAX}) < 1e-40F);
}

}  // namespace
}  // namespace freshet::ps
