#include "common/job/feature_policy_config.h"

#include <limits>
#include <string>
#include <vector>

#include "common/model/feature_policy.h"

namespace freshet {
namespace {

constexpr float kMaxFloat = std::numeric_limits<float>::max();
constexpr uint32_t kMaxUint32 = std::numeric_limits<uint32_t>::max();
constexpr uint64_t kMaxUint64 = std::numeric_limits<uint64_t>::max();

constexpr uint64_t kDefaultElements = 10'000'000;
constexpr double kDefaultFalsePositives = 0.01;
constexpr uint32_t kDefaultEvictEvery = 1000;
// Those of Paddle's accessor.
constexpr float kDefaultNonclickCoefficient = 0.1F;
constexpr float kDefaultClickCoefficient = 1.0F;
constexpr float kDefaultDecay = 0.98F;

// Reads a number from `least` on; what is absent is 0.
template <typename Number>
Number ReadFrom(const ConfigSection& section, const char* key, Number least, Number most) {
  Number value = 0;
  section.InRange(key, least, most, &value);
  return value;
}

// true, false, or a map with the size of the filter.
void ReadBloom(const ConfigSection& section, proto::Admission* admission) {
  uint64_t elements = kDefaultElements;
  double false_positives = kDefaultFalsePositives;
  bool bloom = false;
  if (section.HasMap("bloom")) {
    bloom = true;
    const ConfigSection filter = section.Section("bloom");
    filter.InRange("max_element_size", uint64_t{1}, uint64_t{1} << 32U, &elements);
    filter.InRange("false_positive_probability", 1e-4, 0.5, &false_positives);
  } else {
    section.Optional("bloom", &bloom);
  }
  if (bloom) {
    admission->set_bloom(true);
    admission->set_max_element_size(elements);
    admission->set_false_positive_probability(false_positives);
  }
}

void ReadAdmission(const ConfigSection& section, proto::Admission* admission) {
  admission->set_filter_freq(ReadFrom(section, "filter_freq", 0U, kMaxUint32));
  admission->set_score_threshold(ReadFrom(section, "score_threshold", 0.0F, kMaxFloat));
  float probability = 0;
  section.InRange("admit_probability", 0.0F, 1.0F, &probability);
  if (section.Has("admit_probability") && probability == 0) {
    section.Fail("admit_probability", "must be above 0: at 0 no key would ever have a row");
  }
  admission->set_admit_probability(probability);
}

void ReadEviction(const ConfigSection& section, proto::Eviction* eviction) {
  eviction->set_steps_to_live(ReadFrom(section, "steps_to_live", uint64_t{0}, kMaxUint64));
  eviction->set_ttl_secs(ReadFrom(section, "ttl_secs", 0U, kMaxUint32));
  eviction->set_l2_weight_threshold(ReadFrom(section, "l2_weight_threshold", 0.0F, kMaxFloat));
  eviction->set_delete_threshold(ReadFrom(section, "delete_threshold", 0.0F, kMaxFloat));
  eviction->set_delete_after_unseen_days(
      ReadFrom(section, "delete_after_unseen_days", 0U, kMaxUint32));
}

void ReadServing(const ConfigSection& section, proto::ServingFilter* serving) {
  serving->set_min_frequency(ReadFrom(section, "min_frequency", 0U, kMaxUint32));
  serving->set_l2_weight_threshold(ReadFrom(section, "l2_weight_threshold", 0.0F, kMaxFloat));
  serving->set_score_threshold(ReadFrom(section, "score_threshold", 0.0F, kMaxFloat));
}

void ReadCapacity(const ConfigSection& section, proto::Capacity* capacity) {
  uint64_t max_bytes = 0;
  section.Bytes("max_bytes", &max_bytes);
  size_t strategy = 0;
  section.Choice("evict_strategy", {"lru", "lfu"}, &strategy);
  capacity->set_max_bytes(max_bytes);
  capacity->set_evict_strategy(strategy == 0 ? proto::Capacity::LRU : proto::Capacity::LFU);
  if (section.Has("evict_strategy") && max_bytes == 0) {
    section.Fail("evict_strategy", "belongs to max_bytes, which is not set");
  }
}

void ReadScore(const ConfigSection& section, proto::Score* score) {
  float nonclick = kDefaultNonclickCoefficient;
  float click = kDefaultClickCoefficient;
  float decay = kDefaultDecay;
  section.InRange("nonclk_coeff", 0.0F, kMaxFloat, &nonclick);
  section.InRange("click_coeff", 0.0F, kMaxFloat, &click);
  section.InRange("show_click_decay_rate", 0.0F, 1.0F, &decay);
  if (decay == 0) {
    section.Fail("show_click_decay_rate", "must be above 0; 1 is no decay");
  }
  score->set_nonclk_coeff(nonclick);
  score->set_click_coeff(click);
  score->set_show_click_decay_rate(decay);
}

// Only what was said: an empty message would be part of the model, and of its hash.
void KeepIfSet(proto::RowRules* rules) {
  if (rules->admission().ByteSizeLong() == 0) {
    rules->clear_admission();
  }
  if (rules->eviction().ByteSizeLong() == 0) {
    rules->clear_eviction();
  }
  if (rules->serving().ByteSizeLong() == 0) {
    rules->clear_serving();
  }
}

// The first of the sections that the file has, for an error that concerns several.
std::string SectionToBlame(const ConfigSection& model) {
  for (const char* key : {"admission", "eviction", "serving_filter", "score"}) {
    if (model.Has(key)) {
      return key;
    }
  }
  return "kind";
}

void FillInEvictEvery(const ConfigSection& eviction, proto::FeaturePolicy* policy) {
  uint32_t steps = kDefaultEvictEvery;
  eviction.InRange("evict_every_steps", 1U, kMaxUint32, &steps);
  if (Evicts(*policy)) {
    policy->set_evict_every_steps(steps);
  } else if (eviction.Has("evict_every_steps")) {
    eviction.Fail("evict_every_steps", "has no rule to carry out: none evicts");
  }
}

}  // namespace

proto::ValueType ReadValueType(const ConfigSection& model) {
  size_t type = 0;
  model.Choice("value_type", {"f32", "f16", "bf16"}, &type);
  constexpr proto::ValueType kTypes[] = {proto::F32, proto::F16, proto::BF16};
  return kTypes[type];
}

proto::FeaturePolicy ReadFeaturePolicy(const ConfigSection& model) {
  proto::FeaturePolicy policy;
  const ConfigSection admission = model.Section("admission");
  proto::RowRules* rules = policy.mutable_rules();
  ReadAdmission(admission, rules->mutable_admission());
  ReadBloom(admission, rules->mutable_admission());
  float no_permission = 0;
  admission.InRange("default_value_no_permission", -kMaxFloat, kMaxFloat, &no_permission);
  policy.set_default_value_no_permission(no_permission);
  const ConfigSection eviction = model.Section("eviction");
  ReadEviction(eviction, rules->mutable_eviction());
  ReadServing(model.Section("serving_filter"), rules->mutable_serving());
  ReadCapacity(eviction, policy.mutable_capacity());
  ReadScore(model.Section("score"), policy.mutable_score());
  KeepIfSet(rules);
  return policy;
}

void ReadSlotRules(const ConfigSection& slot, uint32_t index, proto::FeaturePolicy* policy) {
  proto::RowRules rules;
  if (slot.Has("admission")) {
    ReadAdmission(slot.Section("admission"), rules.mutable_admission());
  }
  if (slot.Has("eviction")) {
    ReadEviction(slot.Section("eviction"), rules.mutable_eviction());
  }
  if (slot.Has("serving_filter")) {
    ReadServing(slot.Section("serving_filter"), rules.mutable_serving());
  }
  if (rules.has_admission() || rules.has_eviction() || rules.has_serving()) {
    proto::SlotRules* added = policy->add_slots();
    added->set_slot(index);
    *added->mutable_rules() = rules;
  }
}

void FinishFeaturePolicy(const ConfigSection& model,
                         uint32_t slot_count,
                         bool has_event_time,
                         proto::FeaturePolicy* policy) {
  FillInEvictEvery(model.Section("eviction"), policy);
  if (!UsesScores(*policy)) {
    policy->clear_score();
    if (model.Has("score")) {
      model.Fail("score",
                 "is used by no rule: neither score_threshold nor delete_threshold is set");
    }
  }
  if (policy->rules().ByteSizeLong() == 0) {
    policy->clear_rules();
  }
  if (policy->capacity().max_bytes() == 0) {
    policy->clear_capacity();
  }
  const std::string blame = SectionToBlame(model);
  if (NeedsEventTime(*policy) && !has_event_time) {
    model.Fail(blame,
               "has a rule by event time (ttl_secs, delete_after_unseen_days, or max_bytes with "
               "evict_strategy lru), for which 'format' needs event_time");
  }
  if (const Status status = CheckFeaturePolicy(*policy, slot_count); !status.ok()) {
    model.Fail(blame, fmt::format("does not work: {}", MessageOf(status)));
  }
}

}  // namespace freshet
