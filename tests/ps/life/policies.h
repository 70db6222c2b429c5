#pragma once
#include "common/check.h"
#include "common/model/feature_policy.h"
#include "ps/life/feature_rules.h"
#include "tests/ps/models.h"

namespace freshet::ps::test {

inline constexpr uint32_t kDay = 86400;
inline constexpr uint32_t kSlots = 4;

// A variable with the policy, which must pass the checks.
inline proto::EmbeddingVariable VariableWith(const proto::FeaturePolicy& policy) {
  FRESHET_CHECK(CheckFeaturePolicy(policy, kSlots).ok());
  proto::EmbeddingVariable variable = EmbeddingOf("v", 2, SgdOf(0.1F));
  *variable.mutable_policy() = policy;
  return variable;
}

inline proto::FeaturePolicy FrequencyPolicy(uint32_t filter_freq) {
  proto::FeaturePolicy policy;
  policy.mutable_rules()->mutable_admission()->set_filter_freq(filter_freq);
  return policy;
}

inline proto::FeaturePolicy BloomPolicy(uint32_t filter_freq, uint64_t elements) {
  proto::FeaturePolicy policy = FrequencyPolicy(filter_freq);
  proto::Admission* admission = policy.mutable_rules()->mutable_admission();
  admission->set_bloom(true);
  admission->set_max_element_size(elements);
  admission->set_false_positive_probability(0.01);
  return policy;
}

inline void SetScore(proto::FeaturePolicy* policy, float nonclick, float click, float decay) {
  policy->mutable_score()->set_nonclk_coeff(nonclick);
  policy->mutable_score()->set_click_coeff(click);
  policy->mutable_score()->set_show_click_decay_rate(decay);
}

}  // namespace freshet::ps::test
