#include <cmath>
#include <set>
#include <string>

#include "common/model/feature_policy.h"

namespace freshet {
namespace {

constexpr uint64_t kMaxElements = uint64_t{1} << 32U;
// Below, a filter takes more memory than counting exactly.
constexpr double kLeastFalsePositives = 1e-4;
constexpr double kMostFalsePositives = 0.5;
constexpr uint32_t kMaxBloomCount = 255;  // one byte a counter

Status CheckNotNegative(const std::string& field, float value) {
  if (std::isfinite(value) && value >= 0) {
    return absl::OkStatus();
  }
  return InvalidArgument("{} is {}, must be at least 0", field, value);
}

Status CheckAdmission(const std::string& where, const proto::Admission& admission) {
  const float probability = admission.admit_probability();
  if (!(probability >= 0 && probability <= 1)) {
    return InvalidArgument(
        "{}admission.admit_probability is {}, must be in [0, 1]", where, probability);
  }
  return CheckNotNegative(where + "admission.score_threshold", admission.score_threshold());
}

Status CheckFilterSize(const proto::Admission& admission) {
  if (admission.max_element_size() < 1 || admission.max_element_size() > kMaxElements) {
    return InvalidArgument("admission.bloom.max_element_size is {}, must be 1 to {}",
                           admission.max_element_size(),
                           uint64_t{kMaxElements});
  }
  const double probability = admission.false_positive_probability();
  if (!(probability >= kLeastFalsePositives && probability <= kMostFalsePositives)) {
    return InvalidArgument("admission.bloom.false_positive_probability is {}, must be in [{}, {}]",
                           probability,
                           double{kLeastFalsePositives},
                           double{kMostFalsePositives});
  }
  return absl::OkStatus();
}

// Of an admission that counts in the filter: the variable's, or a slot's.
Status CheckBloomCounts(const std::string& where, const proto::Admission& admission) {
  if (admission.filter_freq() > kMaxBloomCount) {
    return InvalidArgument(
        "{}admission.filter_freq is {}, with bloom it must be at most {}: its counters stop there",
        where,
        admission.filter_freq(),
        uint32_t{kMaxBloomCount});
  }
  if (admission.score_threshold() > 0) {
    return InvalidArgument(
        "{}admission.score_threshold needs shows and clicks of each key, which bloom does not "
        "keep: leave one of the two out",
        where);
  }
  return absl::OkStatus();
}

Status CheckBloom(const proto::FeaturePolicy& policy) {
  const proto::Admission& admission = policy.rules().admission();
  if (!admission.bloom()) {
    if (admission.max_element_size() != 0 || admission.false_positive_probability() != 0) {
      return InvalidArgument(
          "admission: max_element_size and false_positive_probability belong to bloom, which is "
          "not set");
    }
    return absl::OkStatus();
  }
  FRESHET_RETURN_IF_ERROR(CheckFilterSize(admission));
  FRESHET_RETURN_IF_ERROR(CheckBloomCounts("", admission));
  bool counts = admission.filter_freq() > 1;
  for (const proto::SlotRules& slot : policy.slots()) {
    const EffectiveRules rules = RulesOfSlot(policy, slot);
    FRESHET_RETURN_IF_ERROR(
        CheckBloomCounts(fmt::format("slot {}: ", slot.slot()), rules.admission));
    counts = counts || rules.admission.filter_freq() > 1;
  }
  if (!counts) {
    return InvalidArgument("admission.bloom counts for filter_freq, which must be at least 2");
  }
  return absl::OkStatus();
}

Status CheckEviction(const std::string& where, const EffectiveRules& rules) {
  const proto::Eviction& eviction = rules.eviction;
  FRESHET_RETURN_IF_ERROR(
      CheckNotNegative(where + "eviction.l2_weight_threshold", eviction.l2_weight_threshold()));
  FRESHET_RETURN_IF_ERROR(
      CheckNotNegative(where + "eviction.delete_threshold", eviction.delete_threshold()));
  if (rules.admission.score_threshold() > 0 &&
      rules.admission.score_threshold() < eviction.delete_threshold()) {
    return InvalidArgument(
        "{}admission.score_threshold is {}, it must be at least eviction.delete_threshold {}: a "
        "row would be evicted as soon as it is admitted",
        where,
        rules.admission.score_threshold(),
        eviction.delete_threshold());
  }
  return absl::OkStatus();
}

Status CheckServing(const std::string& where, const proto::ServingFilter& serving) {
  FRESHET_RETURN_IF_ERROR(CheckNotNegative(where + "serving_filter.l2_weight_threshold",
                                           serving.l2_weight_threshold()));
  return CheckNotNegative(where + "serving_filter.score_threshold", serving.score_threshold());
}

Status CheckRules(const std::string& where, const EffectiveRules& rules) {
  FRESHET_RETURN_IF_ERROR(CheckAdmission(where, rules.admission));
  FRESHET_RETURN_IF_ERROR(CheckEviction(where, rules));
  return CheckServing(where, rules.serving);
}

Status CheckSlots(const proto::FeaturePolicy& policy, uint32_t slot_count) {
  std::set<uint32_t> seen;
  for (const proto::SlotRules& slot : policy.slots()) {
    const std::string where = fmt::format("slot {}: ", slot.slot());
    if (slot.slot() >= slot_count) {
      return InvalidArgument("{}the model has {} slots", where, slot_count);
    }
    if (!seen.insert(slot.slot()).second) {
      return InvalidArgument("{}it has rules twice", where);
    }
    const proto::Admission& admission = slot.rules().admission();
    if (admission.bloom() || admission.max_element_size() != 0 ||
        admission.false_positive_probability() != 0) {
      return InvalidArgument("{}admission.bloom is the variable's, for all slots: set it there",
                             where);
    }
    FRESHET_RETURN_IF_ERROR(CheckRules(where, RulesOfSlot(policy, slot)));
  }
  return absl::OkStatus();
}

Status CheckScore(const proto::Score& score, bool used) {
  FRESHET_RETURN_IF_ERROR(CheckNotNegative("score.nonclk_coeff", score.nonclk_coeff()));
  FRESHET_RETURN_IF_ERROR(CheckNotNegative("score.click_coeff", score.click_coeff()));
  const float decay = score.show_click_decay_rate();
  if (!(decay >= 0 && decay <= 1)) {
    return InvalidArgument("score.show_click_decay_rate is {}, must be in [0, 1]", decay);
  }
  if (used && score.nonclk_coeff() == 0 && score.click_coeff() == 0) {
    return InvalidArgument(
        "score: nonclk_coeff and click_coeff are both 0, so that every score is 0; the rules of "
        "scores need one above 0");
  }
  return absl::OkStatus();
}

}  // namespace

Status CheckFeaturePolicy(const proto::FeaturePolicy& policy, uint32_t slot_count) {
  FRESHET_RETURN_IF_ERROR(CheckRules("", VariableRules(policy)));
  FRESHET_RETURN_IF_ERROR(CheckSlots(policy, slot_count));
  FRESHET_RETURN_IF_ERROR(CheckBloom(policy));
  FRESHET_RETURN_IF_ERROR(CheckScore(policy.score(), UsesScores(policy)));
  if (!std::isfinite(policy.default_value_no_permission())) {
    return InvalidArgument("admission.default_value_no_permission is not finite");
  }
  if (!proto::Capacity::Strategy_IsValid(policy.capacity().evict_strategy())) {
    return InvalidArgument("eviction.evict_strategy {} is unknown",
                           int{policy.capacity().evict_strategy()});
  }
  if (Evicts(policy) && policy.evict_every_steps() == 0) {
    return InvalidArgument(
        "eviction.evict_every_steps is 0, it must be at least 1: else no row would be looked at");
  }
  return absl::OkStatus();
}

}  // namespace freshet
