#include "common/model/feature_policy.h"

#include <catch2/catch.hpp>
#include <functional>
#include <vector>

namespace freshet {
namespace {

using SetRule = std::function<void(proto::RowRules&)>;

const std::vector<SetRule>& RulesThatCount() {
  static const std::vector<SetRule> kRules = {
      [](proto::RowRules& rules) { rules.mutable_admission()->set_filter_freq(2); },
      [](proto::RowRules& rules) { rules.mutable_admission()->set_score_threshold(0.5F); },
      [](proto::RowRules& rules) { rules.mutable_eviction()->set_delete_threshold(0.5F); },
      [](proto::RowRules& rules) { rules.mutable_eviction()->set_delete_after_unseen_days(30); },
      [](proto::RowRules& rules) { rules.mutable_serving()->set_min_frequency(3); },
      [](proto::RowRules& rules) { rules.mutable_serving()->set_score_threshold(0.5F); }};
  return kRules;
}

const std::vector<SetRule>& RulesThatDoNot() {
  static const std::vector<SetRule> kRules = {
      [](proto::RowRules& rules) { rules.mutable_admission()->set_admit_probability(0.5); },
      [](proto::RowRules& rules) { rules.mutable_eviction()->set_steps_to_live(1000); },
      [](proto::RowRules& rules) { rules.mutable_eviction()->set_ttl_secs(60); },
      [](proto::RowRules& rules) { rules.mutable_eviction()->set_l2_weight_threshold(0.1F); },
      [](proto::RowRules& rules) { rules.mutable_serving()->set_l2_weight_threshold(0.1F); }};
  return kRules;
}

// The rule in the variable's rules, and in those of its second slot.
std::vector<proto::FeaturePolicy> PoliciesWith(const SetRule& set) {
  std::vector<proto::FeaturePolicy> policies(2);
  set(*policies[0].mutable_rules());
  policies[1].add_slots()->set_slot(3);
  set(*policies[1].add_slots()->mutable_rules());
  return policies;
}

TEST_CASE("a policy without rules asks for nothing", "[model]") {
  proto::FeaturePolicy policy;
  policy.set_default_value_no_permission(0.5F);
  policy.mutable_score()->set_click_coeff(1.0F);
  policy.mutable_capacity()->set_evict_strategy(proto::Capacity::LFU);
  policy.mutable_rules()->mutable_admission()->set_bloom(true);
  CHECK_FALSE(NeedsCounts(policy));
  CHECK_FALSE(HasSlotRules(policy));
  CHECK_FALSE(HasRules(policy));
}

TEST_CASE("each rule is seen, in the variable's rules and in a slot's", "[model]") {
  for (const SetRule& set : RulesThatCount()) {
    const auto policies = PoliciesWith(set);
    CHECK((NeedsCounts(policies[0]) && NeedsCounts(policies[1])));
    CHECK((HasRules(policies[0]) && HasRules(policies[1])));
    CHECK((!HasSlotRules(policies[0]) && HasSlotRules(policies[1])));
  }
  for (const SetRule& set : RulesThatDoNot()) {
    const auto policies = PoliciesWith(set);
    CHECK((!NeedsCounts(policies[0]) && !NeedsCounts(policies[1])));
    CHECK((HasRules(policies[0]) && HasRules(policies[1])));
  }
}

TEST_CASE("a capacity is a rule, and counts if the least seen rows go first", "[model]") {
  proto::FeaturePolicy policy;
  policy.mutable_capacity()->set_max_bytes(1U << 20U);
  CHECK(HasRules(policy));
  CHECK_FALSE(NeedsCounts(policy));
  policy.mutable_capacity()->set_evict_strategy(proto::Capacity::LFU);
  CHECK(NeedsCounts(policy));
}

}  // namespace
}  // namespace freshet
