#include "worker/skip_rules.h"

#include <algorithm>

namespace freshet::worker {
namespace {

bool Matches(const proto::SkipRule& rule, const Sample& sample) {
  if (rule.to_event_time_ms() != 0 && (sample.event_time_ms < rule.from_event_time_ms() ||
                                       sample.event_time_ms >= rule.to_event_time_ms())) {
    return false;
  }
  return !rule.by_feature() ||
         std::any_of(sample.features.begin(), sample.features.end(), [&](const Feature& feature) {
           return feature.slot == rule.slot() && feature.key == rule.key();
         });
}

}  // namespace

bool SkipRules::Skip(const Sample& sample) const {
  return std::any_of(
      rules_.begin(), rules_.end(), [&](const auto& rule) { return Matches(rule, sample); });
}

}  // namespace freshet::worker
