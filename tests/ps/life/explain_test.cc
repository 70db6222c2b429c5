#include "ps/life/explain.h"

#include <catch2/catch.hpp>

#include "tests/ps/life/policies.h"

namespace freshet::ps {
namespace {

using Lines = std::vector<std::string>;

TEST_CASE("a row is explained rule by rule", "[ps][life]") {
  proto::FeaturePolicy policy;
  proto::Eviction* eviction = policy.mutable_rules()->mutable_eviction();
  eviction->set_steps_to_live(100);
  eviction->set_ttl_secs(60);
  eviction->set_l2_weight_threshold(6);
  eviction->set_delete_threshold(2);
  policy.mutable_rules()->mutable_serving()->set_min_frequency(10);
  policy.set_evict_every_steps(10);
  test::SetScore(&policy, 1, 1, 1);
  const FeatureRules rules(test::VariableWith(policy));
  const std::vector<float> value = {3, 4};
  const FeatureLife life{.shows = 3, .last_step = 20};
  RowView row{.frequency = 3, .last_update = 1000, .life = &life, .value = value};
  CHECK(ExplainRow(rules, row, {.step = 50, .event_time_s = 1010}) ==
        Lines{"steps_to_live: 30 of at most 100 steps since its last push, 70 left",
              "ttl_secs: 10 of at most 60 seconds since its last push, 50 left",
              "l2_weight_threshold: L2 norm 5 is 1 below the 6 it must have",
              "delete_threshold: score 3 is 1 above the 2 it must have",
              "serving min_frequency: frequency 3 is 7 below the 10 it must have",
              "l2_weight_threshold evicts it when it is looked at next"});
  const std::vector<float> larger = {6, 8};
  row.value = larger;
  CHECK(ExplainRow(rules, row, {.step = 50, .event_time_s = 1010}).back() ==
        "it stays, and is kept from serving");
  CHECK(ExplainRow(rules, row, {.step = 150, .event_time_s = 1010}).front() ==
        "steps_to_live: 130 steps since its last push, 30 more than the 100 allowed");
}

TEST_CASE("a key without a row is told what it takes", "[ps][life]") {
  proto::FeaturePolicy policy = test::FrequencyPolicy(5);
  policy.mutable_rules()->mutable_eviction()->set_ttl_secs(60);
  policy.set_evict_every_steps(10);
  const FeatureRules rules(test::VariableWith(policy));
  const Seen seen{.frequency = 2, .last_update = 1000};
  CHECK(ExplainAdmission(rules, 1, 0, seen, {.event_time_s = 1020}) ==
        Lines{"filter_freq: seen in 2 samples of the 5 it takes, 3 to go",
              "ttl_secs: 20 of at most 60 seconds since its last push, 40 left",
              "it is counted, and has no row yet"});
  CHECK(ExplainAdmission(rules, 1, 0, seen, {.event_time_s = 1061}).back() ==
        "ttl_secs makes it start from nothing when it is looked at next");
  CHECK(ExplainAdmission(rules, 1, 0, std::nullopt, {}) ==
        Lines{"filter_freq: seen in 0 samples of the 5 it takes, 5 to go",
              "nothing is known of it, so it was not seen lately"});
  CHECK(ExplainAdmission(FeatureRules(test::VariableWith({})), 1, 0, std::nullopt, {}) ==
        Lines{"its first push gives it a row"});
}

TEST_CASE("a key that is shut out is told so", "[ps][life]") {
  proto::FeaturePolicy policy;
  policy.mutable_rules()->mutable_admission()->set_admit_probability(0.5F);
  const FeatureRules rules(test::VariableWith(policy));
  Key key = 0;
  while (rules.MayEverAdmit(key, 0)) {
    ++key;
  }
  CHECK(ExplainAdmission(rules, key, 0, std::nullopt, {}) ==
        Lines{"admit_probability: 0.5 shuts this key out for good"});
}

}  // namespace
}  // namespace freshet::ps
