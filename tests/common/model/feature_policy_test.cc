#include "common/model/feature_policy.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "common/model/model.h"

namespace freshet {
namespace {

using Catch::Matchers::Contains;

std::string Refusal(const proto::FeaturePolicy& policy) {
  const Status status = CheckFeaturePolicy(policy, 3);
  CHECK(absl::IsInvalidArgument(status));
  return MessageOf(status);
}

proto::Admission* AdmissionOf(proto::FeaturePolicy& policy) {
  return policy.mutable_rules()->mutable_admission();
}

proto::FeaturePolicy Bloom() {
  proto::FeaturePolicy policy;
  AdmissionOf(policy)->set_filter_freq(3);
  AdmissionOf(policy)->set_bloom(true);
  AdmissionOf(policy)->set_max_element_size(1000);
  AdmissionOf(policy)->set_false_positive_probability(0.01);
  return policy;
}

proto::SlotRules* AddSlot(proto::FeaturePolicy& policy, uint32_t slot) {
  proto::SlotRules* rules = policy.add_slots();
  rules->set_slot(slot);
  return rules;
}

TEST_CASE("a policy without rules asks for nothing", "[model]") {
  const proto::FeaturePolicy none;
  CHECK_FALSE(NeedsCounts(none));
  CHECK_FALSE(HasSlotRules(none));
  CHECK_FALSE(Evicts(none));
  CHECK_FALSE(UsesScores(none));
  CHECK_FALSE(NeedsEventTime(none));
  CHECK(CheckFeaturePolicy(none, 0).ok());
}

TEST_CASE("pushes carry counts where a rule weighs samples", "[model]") {
  proto::FeaturePolicy policy;
  AdmissionOf(policy)->set_admit_probability(0.5F);
  AdmissionOf(policy)->set_filter_freq(1);
  policy.mutable_rules()->mutable_eviction()->set_ttl_secs(5);
  policy.mutable_capacity()->set_max_bytes(1000);
  CHECK_FALSE(NeedsCounts(policy));
  SECTION("frequency") {
    AdmissionOf(policy)->set_filter_freq(2);
  }
  SECTION("score") {
    AdmissionOf(policy)->set_score_threshold(1);
  }
  SECTION("eviction") {
    policy.mutable_rules()->mutable_eviction()->set_delete_threshold(1);
  }
  SECTION("serving") {
    policy.mutable_rules()->mutable_serving()->set_min_frequency(2);
  }
  SECTION("lfu") {
    policy.mutable_capacity()->set_evict_strategy(proto::Capacity::LFU);
  }
  SECTION("a slot") {
    AddSlot(policy, 1)->mutable_rules()->mutable_admission()->set_filter_freq(2);
    CHECK(HasSlotRules(policy));
  }
  CHECK(NeedsCounts(policy));
}

TEST_CASE("a slot keeps the variable's rules where it has none", "[model]") {
  proto::FeaturePolicy policy;
  AdmissionOf(policy)->set_filter_freq(4);
  AdmissionOf(policy)->set_admit_probability(0.5F);
  policy.mutable_rules()->mutable_eviction()->set_ttl_secs(5);
  const proto::SlotRules* slot = AddSlot(policy, 1);
  policy.mutable_slots(0)->mutable_rules()->mutable_admission()->set_filter_freq(9);
  const EffectiveRules rules = RulesOfSlot(policy, *slot);
  CHECK(rules.admission.filter_freq() == 9);
  CHECK(rules.admission.admit_probability() == 0);  // replaced as a whole
  CHECK(rules.eviction.ttl_secs() == 5);
}

TEST_CASE("rules of time need event times", "[model]") {
  proto::FeaturePolicy policy;
  SECTION("ttl") {
    policy.mutable_rules()->mutable_eviction()->set_ttl_secs(5);
  }
  SECTION("days") {
    policy.mutable_rules()->mutable_eviction()->set_delete_after_unseen_days(5);
  }
  SECTION("lru") {
    policy.mutable_capacity()->set_max_bytes(5);
  }
  CHECK(NeedsEventTime(policy));
  CHECK(Evicts(policy));
}

TEST_CASE("policies that make no sense are refused, with what would be right", "[model]") {
  proto::FeaturePolicy policy;
  SECTION("probability") {
    AdmissionOf(policy)->set_admit_probability(1.5F);
    CHECK(Refusal(policy) == "admission.admit_probability is 1.5, must be in [0, 1]");
    AdmissionOf(policy)->set_admit_probability(NAN);
    Refusal(policy);
  }
  SECTION("thresholds") {
    policy.mutable_rules()->mutable_eviction()->set_l2_weight_threshold(-1);
    CHECK(Refusal(policy) == "eviction.l2_weight_threshold is -1, must be at least 0");
  }
  SECTION("the filter without the counting") {
    AdmissionOf(policy)->set_max_element_size(7);
    CHECK_THAT(Refusal(policy), Contains("belong to bloom"));
  }
  SECTION("bloom without a frequency") {
    policy = Bloom();
    AdmissionOf(policy)->set_filter_freq(1);
    CHECK(Refusal(policy) == "admission.bloom counts for filter_freq, which must be at least 2");
    AddSlot(policy, 1)->mutable_rules()->mutable_admission()->set_filter_freq(2);
    CHECK(CheckFeaturePolicy(policy, 3).ok());
  }
  SECTION("bloom that cannot count so far") {
    policy = Bloom();
    CHECK(CheckFeaturePolicy(policy, 3).ok());
    AdmissionOf(policy)->set_filter_freq(256);
    CHECK_THAT(Refusal(policy), Contains("filter_freq is 256, with bloom it must be at most 255"));
  }
  SECTION("bloom of no size") {
    policy = Bloom();
    AdmissionOf(policy)->set_max_element_size(0);
    CHECK_THAT(Refusal(policy), Contains("max_element_size is 0, must be 1 to"));
  }
  SECTION("bloom that is never wrong") {
    policy = Bloom();
    AdmissionOf(policy)->set_false_positive_probability(0);
    CHECK_THAT(Refusal(policy), Contains("must be in [0.0001, 0.5]"));
  }
  SECTION("bloom and scores") {
    policy = Bloom();
    policy.mutable_score()->set_click_coeff(1);
    AddSlot(policy, 2)->mutable_rules()->mutable_admission()->set_score_threshold(1);
    CHECK_THAT(Refusal(policy), Contains("slot 2: admission.score_threshold needs shows and"));
  }
  SECTION("bloom of a slot") {
    AddSlot(policy, 2)->mutable_rules()->mutable_admission()->set_bloom(true);
    CHECK_THAT(Refusal(policy), Contains("slot 2: admission.bloom is the variable's"));
  }
  SECTION("a slot that is not there") {
    AddSlot(policy, 3);
    CHECK(Refusal(policy) == "slot 3: the model has 3 slots");
  }
  SECTION("a slot twice") {
    AddSlot(policy, 1);
    AddSlot(policy, 1);
    CHECK(Refusal(policy) == "slot 1: it has rules twice");
  }
  SECTION("a score that is always 0") {
    policy.mutable_rules()->mutable_serving()->set_score_threshold(1);
    CHECK_THAT(Refusal(policy), Contains("both 0"));
  }
  SECTION("a decay that grows") {
    policy.mutable_score()->set_show_click_decay_rate(1.1F);
    CHECK(Refusal(policy) == "score.show_click_decay_rate is 1.1, must be in [0, 1]");
  }
  SECTION("admitted to be evicted") {
    policy.mutable_score()->set_click_coeff(1);
    AdmissionOf(policy)->set_score_threshold(1);
    policy.mutable_rules()->mutable_eviction()->set_delete_threshold(2);
    policy.set_evict_every_steps(1);
    CHECK_THAT(Refusal(policy), Contains("must be at least eviction.delete_threshold 2"));
  }
  SECTION("rules that nobody carries out") {
    policy.mutable_rules()->mutable_eviction()->set_steps_to_live(5);
    CHECK_THAT(Refusal(policy), Contains("evict_every_steps is 0"));
    policy.set_evict_every_steps(1);
    CHECK(CheckFeaturePolicy(policy, 3).ok());
  }
}

TEST_CASE("a ledger declares no policy and no narrow values", "[model]") {
  proto::Slot slot;
  slot.set_name("a");
  ModelSettings settings;
  settings.kind = "ledger";
  settings.policy.mutable_rules()->mutable_admission()->set_filter_freq(2);
  CHECK_THAT(MessageOf(DeclareModel(settings, {slot}).status()), Contains("model ledger"));
  settings.policy.Clear();
  settings.value_type = proto::F16;
  CHECK_THAT(MessageOf(DeclareModel(settings, {slot}).status()), Contains("f32"));
}

}  // namespace
}  // namespace freshet
