#include "common/model/feature_policy.h"

#include <algorithm>
#include <functional>

namespace freshet {
namespace {

// Calls any_of(rules) for the variable's rules and those of each slot, until it says true.
bool AnyRules(const proto::FeaturePolicy& policy,
              const std::function<bool(const EffectiveRules&)>& any_of) {
  return any_of(VariableRules(policy)) ||
         std::any_of(policy.slots().begin(), policy.slots().end(), [&](const auto& slot) {
           return any_of(RulesOfSlot(policy, slot));
         });
}

bool EvictsByRule(const proto::Eviction& eviction) {
  return eviction.steps_to_live() > 0 || eviction.ttl_secs() > 0 ||
         eviction.l2_weight_threshold() > 0 || eviction.delete_threshold() > 0 ||
         eviction.delete_after_unseen_days() > 0;
}

}  // namespace

EffectiveRules VariableRules(const proto::FeaturePolicy& policy) {
  const proto::RowRules& rules = policy.rules();
  return {.admission = rules.admission(), .eviction = rules.eviction(), .serving = rules.serving()};
}

EffectiveRules RulesOfSlot(const proto::FeaturePolicy& policy, const proto::SlotRules& slot) {
  EffectiveRules rules = VariableRules(policy);
  if (slot.rules().has_admission()) {
    rules.admission = slot.rules().admission();
  }
  if (slot.rules().has_eviction()) {
    rules.eviction = slot.rules().eviction();
  }
  if (slot.rules().has_serving()) {
    rules.serving = slot.rules().serving();
  }
  return rules;
}

bool NeedsCounts(const proto::FeaturePolicy& policy) {
  const proto::Capacity& capacity = policy.capacity();
  return (capacity.max_bytes() > 0 && capacity.evict_strategy() == proto::Capacity::LFU) ||
         AnyRules(policy, [](const EffectiveRules& rules) {
           return rules.admission.filter_freq() > 1 || rules.admission.score_threshold() > 0 ||
                  rules.eviction.delete_threshold() > 0 || rules.serving.min_frequency() > 1 ||
                  rules.serving.score_threshold() > 0;
         });
}

bool HasRules(const proto::FeaturePolicy& policy) {
  return Evicts(policy) || NeedsCounts(policy) || AnyRules(policy, [](const EffectiveRules& rules) {
           return rules.admission.filter_freq() > 0 || rules.admission.admit_probability() > 0 ||
                  rules.serving.min_frequency() > 0 || rules.serving.l2_weight_threshold() > 0;
         });
}

bool HasSlotRules(const proto::FeaturePolicy& policy) {
  return policy.slots_size() > 0;
}

bool UsesScores(const proto::FeaturePolicy& policy) {
  return AnyRules(policy, [](const EffectiveRules& rules) {
    return rules.admission.score_threshold() > 0 || rules.eviction.delete_threshold() > 0 ||
           rules.serving.score_threshold() > 0;
  });
}

bool ServesByScore(const proto::FeaturePolicy& policy) {
  return AnyRules(policy,
                  [](const EffectiveRules& rules) { return rules.serving.score_threshold() > 0; });
}

bool Evicts(const proto::FeaturePolicy& policy) {
  return policy.capacity().max_bytes() > 0 ||
         AnyRules(policy, [](const EffectiveRules& rules) { return EvictsByRule(rules.eviction); });
}

bool NeedsEventTime(const proto::FeaturePolicy& policy) {
  const proto::Capacity& capacity = policy.capacity();
  return (capacity.max_bytes() > 0 && capacity.evict_strategy() == proto::Capacity::LRU) ||
         AnyRules(policy, [](const EffectiveRules& rules) {
           return rules.eviction.ttl_secs() > 0 || rules.eviction.delete_after_unseen_days() > 0;
         });
}

}  // namespace freshet
