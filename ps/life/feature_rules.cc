#include "ps/life/feature_rules.h"

#include <algorithm>
#include <limits>

#include "common/model/feature_policy.h"

namespace freshet::ps {
namespace {

constexpr uint64_t kSecondsPerDay = 86400;
constexpr uint32_t kMaxStep = std::numeric_limits<uint32_t>::max();
// Told apart from the draws of initial values, which come from the same seed.
constexpr uint64_t kAdmitSalt = 0x61646d6974U;

uint32_t StepOf(uint64_t step) {
  return static_cast<uint32_t>(std::min<uint64_t>(step, kMaxStep));
}

// Not below 0: the row may have been pushed by a worker that is ahead of the clock given.
uint64_t Since(uint64_t now, uint64_t then) {
  return now > then ? now - then : 0;
}

double SquaredNorm(std::span<const float> value) {
  double sum = 0;
  for (const float element : value) {
    sum += double{element} * double{element};
  }
  return sum;
}

bool NormIsBelow(std::span<const float> value, double threshold) {
  return SquaredNorm(value) < threshold * threshold;
}

FeatureRules::Rules Compile(const EffectiveRules& effective) {
  const proto::Admission& admission = effective.admission;
  const proto::Eviction& eviction = effective.eviction;
  const proto::ServingFilter& serving = effective.serving;
  FeatureRules::Rules rules;
  rules.filter_freq = admission.filter_freq();
  rules.admit_probability = admission.admit_probability();
  rules.admit_score = admission.score_threshold();
  rules.gates = rules.filter_freq > 1 || rules.admit_score > 0 ||
                (rules.admit_probability > 0 && rules.admit_probability < 1);
  rules.steps_to_live = StepOf(eviction.steps_to_live());
  rules.ttl_secs = eviction.ttl_secs();
  rules.l2_threshold = eviction.l2_weight_threshold();
  rules.delete_threshold = eviction.delete_threshold();
  rules.unseen_days = eviction.delete_after_unseen_days();
  rules.serving_frequency = serving.min_frequency();
  rules.serving_l2_threshold = serving.l2_weight_threshold();
  rules.serving_score = serving.score_threshold();
  return rules;
}

bool Filters(const FeatureRules::Rules& rules) {
  return rules.serving_frequency > 0 || rules.serving_l2_threshold > 0 || rules.serving_score > 0;
}

}  // namespace

const char* NameOf(EvictReason reason) {
  switch (reason) {
    case EvictReason::kNone:
      return "none";
    case EvictReason::kStepsToLive:
      return "steps_to_live";
    case EvictReason::kTtl:
      return "ttl_secs";
    case EvictReason::kL2Weight:
      return "l2_weight_threshold";
    case EvictReason::kScore:
      return "delete_threshold";
    case EvictReason::kUnseenDays:
      return "delete_after_unseen_days";
  }
  return "unknown";
}

uint16_t DayOf(uint64_t event_time_s) {
  return static_cast<uint16_t>(
      std::min<uint64_t>(event_time_s / kSecondsPerDay, std::numeric_limits<uint16_t>::max()));
}

FeatureRules::FeatureRules(const proto::EmbeddingVariable& variable)
    : policy_(variable.policy()), admit_seed_(SplitMix64(variable.seed() ^ kAdmitSalt)) {
  rules_.push_back(Compile(VariableRules(policy_)));
  for (const proto::SlotRules& slot : policy_.slots()) {
    by_slot_.resize(std::max<size_t>(by_slot_.size(), size_t{slot.slot()} + 1), 0);
    by_slot_[slot.slot()] = static_cast<uint16_t>(rules_.size());
    rules_.push_back(Compile(RulesOfSlot(policy_, slot)));
  }
  for (const Rules& rules : rules_) {
    filters_serving_ = filters_serving_ || Filters(rules);
    needs_life_ = needs_life_ || rules.steps_to_live > 0;
  }
  needs_life_ = needs_life_ || UsesScores(policy_) || HasSlotRules(policy_);
}

bool FeatureRules::MayEverAdmit(Key key, uint32_t slot) const {
  const float probability = RulesOf(slot).admit_probability;
  if (probability <= 0 || probability >= 1) {
    return true;
  }
  constexpr double kUnit = 1.0 / 9007199254740992.0;  // 2^-53
  return static_cast<double>(SplitMix64(admit_seed_ ^ key) >> 11U) * kUnit < double{probability};
}

bool FeatureRules::Admits(uint32_t slot, const Seen& seen) const {
  const Rules& rules = RulesOf(slot);
  if (seen.frequency < rules.filter_freq) {
    return false;
  }
  // The push that asks has decayed it to its own day, if that is the later one.
  const StreamClock as_it_is{};
  return rules.admit_score <= 0 || ScoreOf(seen.life, as_it_is) >= rules.admit_score;
}

// One product after the other, so that it makes no difference in how many goes the days pass.
void FeatureRules::Decay(FeatureLife& life, uint16_t day) const {
  const float rate = policy_.score().show_click_decay_rate();
  if (day <= life.score_day) {
    return;
  }
  if (rate > 0 && rate < 1) {
    for (uint16_t passed = life.score_day; passed < day; ++passed) {
      const float shows = life.shows * rate;
      const float clicks = life.clicks * rate;
      if (shows == life.shows && clicks == life.clicks) {
        break;  // both are 0, or so small that rounding holds them
      }
      life.shows = shows;
      life.clicks = clicks;
    }
  }
  life.score_day = day;
}

void FeatureRules::Touch(
    FeatureLife& life, uint32_t slot, KeyCount count, uint64_t step, uint32_t event_time_s) const {
  Decay(life, DayOf(event_time_s));
  life.shows += count.shows;
  life.clicks += count.clicks;
  life.last_step = std::max(life.last_step, StepOf(step));
  life.slot = static_cast<uint16_t>(slot);
}

void FeatureRules::Touch(
    Seen& seen, uint32_t slot, KeyCount count, uint64_t step, uint32_t event_time_s) const {
  seen.frequency = AddFrequency(seen.frequency, count);
  seen.last_update = std::max(seen.last_update, event_time_s);
  if (needs_life_) {
    Touch(seen.life, slot, count, step, event_time_s);
  }
}

float FeatureRules::ScoreOf(const FeatureLife& life, const StreamClock& now) const {
  FeatureLife decayed = life;
  Decay(decayed, DayOf(now.event_time_s));
  return policy_.score().nonclk_coeff() * (decayed.shows - decayed.clicks) +
         policy_.score().click_coeff() * decayed.clicks;
}

EvictReason FeatureRules::WhyForget(const RowView& candidate, const StreamClock& now) const {
  const Rules& rules = RulesOf(candidate);
  if (rules.steps_to_live > 0 && candidate.life != nullptr &&
      Since(StepOf(now.step), candidate.life->last_step) > rules.steps_to_live) {
    return EvictReason::kStepsToLive;
  }
  if (rules.ttl_secs > 0 && Since(now.event_time_s, candidate.last_update) > rules.ttl_secs) {
    return EvictReason::kTtl;
  }
  if (rules.unseen_days > 0 &&
      Since(DayOf(now.event_time_s), DayOf(candidate.last_update)) > rules.unseen_days) {
    return EvictReason::kUnseenDays;
  }
  return EvictReason::kNone;
}

EvictReason FeatureRules::WhyEvict(const RowView& row, const StreamClock& now) const {
  const Rules& rules = RulesOf(row);
  const EvictReason idle = WhyForget(row, now);
  if (idle == EvictReason::kStepsToLive || idle == EvictReason::kTtl) {
    return idle;
  }
  if (rules.l2_threshold > 0 && NormIsBelow(row.value, rules.l2_threshold)) {
    return EvictReason::kL2Weight;
  }
  if (rules.delete_threshold > 0 && row.life != nullptr &&
      ScoreOf(*row.life, now) < rules.delete_threshold) {
    return EvictReason::kScore;
  }
  return idle;
}

bool FeatureRules::Serves(const RowView& row, const StreamClock& now) const {
  const Rules& rules = RulesOf(row);
  if (row.frequency < rules.serving_frequency) {
    return false;
  }
  if (rules.serving_l2_threshold > 0 && NormIsBelow(row.value, rules.serving_l2_threshold)) {
    return false;
  }
  return rules.serving_score <= 0 || row.life == nullptr ||
         ScoreOf(*row.life, now) >= rules.serving_score;
}

}  // namespace freshet::ps
