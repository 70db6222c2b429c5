#include "common/model/feature_policy.h"

#include <algorithm>

namespace freshet {
namespace {

bool Counts(const proto::RowRules& rules) {
  return rules.admission().filter_freq() > 0 || rules.admission().score_threshold() != 0.0F ||
         rules.eviction().delete_threshold() != 0.0F ||
         rules.eviction().delete_after_unseen_days() > 0 || rules.serving().min_frequency() > 0 ||
         rules.serving().score_threshold() != 0.0F;
}

bool IsAny(const proto::RowRules& rules) {
  return Counts(rules) || rules.admission().admit_probability() != 0.0 ||
         rules.eviction().steps_to_live() > 0 || rules.eviction().ttl_secs() > 0 ||
         rules.eviction().l2_weight_threshold() != 0.0F ||
         rules.serving().l2_weight_threshold() != 0.0F;
}

// Whether `test` holds for the variable's rules or for those of a slot.
template <typename Test>
bool AnyRules(const proto::FeaturePolicy& policy, const Test& test) {
  return test(policy.rules()) ||
         std::any_of(policy.slots().begin(),
                     policy.slots().end(),
                     [&test](const proto::SlotRules& slot) { return test(slot.rules()); });
}

}  // namespace

bool NeedsCounts(const proto::FeaturePolicy& policy) {
  const bool evicts_least_seen = policy.capacity().max_bytes() > 0 &&
                                 policy.capacity().evict_strategy() == proto::Capacity::LFU;
  return evicts_least_seen || AnyRules(policy, Counts);
}

bool HasSlotRules(const proto::FeaturePolicy& policy) {
  return policy.slots_size() > 0;
}

bool HasRules(const proto::FeaturePolicy& policy) {
  return policy.capacity().max_bytes() > 0 || AnyRules(policy, IsAny);
}

}  // namespace freshet
