#include "ps/life/explain.h"

#include <fmt/core.h>

#include <cmath>

namespace freshet::ps {
namespace {

double NormOf(std::span<const float> value) {
  double sum = 0;
  for (const float element : value) {
    sum += double{element} * double{element};
  }
  return std::sqrt(sum);
}

uint64_t Since(uint64_t now, uint64_t then) {
  return now > then ? now - then : 0;
}

// "12 of at most 100 steps since its last push, 88 left".
std::string Age(const char* rule, uint64_t age, uint64_t most, const char* unit) {
  return age > most ? fmt::format("{}: {} {} since its last push, {} more than the {} allowed",
                                  rule,
                                  age,
                                  unit,
                                  age - most,
                                  most)
                    : fmt::format("{}: {} of at most {} {} since its last push, {} left",
                                  rule,
                                  age,
                                  most,
                                  unit,
                                  most - age);
}

// "0.8 of at least 0.5, 0.3 above it".
std::string Level(const char* rule, const char* what, double value, double least) {
  return value < least ? fmt::format("{}: {} {:.6g} is {:.6g} below the {:.6g} it must have",
                                     rule,
                                     what,
                                     value,
                                     least - value,
                                     least)
                       : fmt::format("{}: {} {:.6g} is {:.6g} above the {:.6g} it must have",
                                     rule,
                                     what,
                                     value,
                                     value - least,
                                     least);
}

void ExplainIdleness(const FeatureRules::Rules& rules,
                     const RowView& row,
                     const StreamClock& now,
                     std::vector<std::string>& lines) {
  if (rules.steps_to_live > 0 && row.life != nullptr) {
    lines.push_back(
        Age("steps_to_live", Since(now.step, row.life->last_step), rules.steps_to_live, "steps"));
  }
  if (rules.ttl_secs > 0) {
    lines.push_back(
        Age("ttl_secs", Since(now.event_time_s, row.last_update), rules.ttl_secs, "seconds"));
  }
  if (rules.unseen_days > 0) {
    lines.push_back(Age("delete_after_unseen_days",
                        Since(DayOf(now.event_time_s), DayOf(row.last_update)),
                        rules.unseen_days,
                        "days"));
  }
}

void ExplainServing(const FeatureRules& rules,
                    const RowView& row,
                    const StreamClock& now,
                    std::vector<std::string>& lines) {
  const FeatureRules::Rules& of_slot = rules.RulesOf(row);
  if (of_slot.serving_frequency > 0) {
    lines.push_back(
        Level("serving min_frequency", "frequency", row.frequency, of_slot.serving_frequency));
  }
  if (of_slot.serving_l2_threshold > 0) {
    lines.push_back(Level(
        "serving l2_weight_threshold", "L2 norm", NormOf(row.value), of_slot.serving_l2_threshold));
  }
  if (of_slot.serving_score > 0 && row.life != nullptr) {
    lines.push_back(Level(
        "serving score_threshold", "score", rules.ScoreOf(*row.life, now), of_slot.serving_score));
  }
}

}  // namespace

std::vector<std::string> ExplainRow(const FeatureRules& rules,
                                    const RowView& row,
                                    const StreamClock& now) {
  const FeatureRules::Rules& of_slot = rules.RulesOf(row);
  std::vector<std::string> lines;
  ExplainIdleness(of_slot, row, now, lines);
  if (of_slot.l2_threshold > 0) {
    lines.push_back(
        Level("l2_weight_threshold", "L2 norm", NormOf(row.value), of_slot.l2_threshold));
  }
  if (of_slot.delete_threshold > 0 && row.life != nullptr) {
    lines.push_back(Level(
        "delete_threshold", "score", rules.ScoreOf(*row.life, now), of_slot.delete_threshold));
  }
  ExplainServing(rules, row, now, lines);
  const EvictReason reason = rules.WhyEvict(row, now);
  const std::string serving = rules.Serves(row, now) ? "served" : "kept from serving";
  lines.push_back(reason == EvictReason::kNone
                      ? fmt::format("it stays, and is {}", serving)
                      : fmt::format("{} evicts it when it is looked at next", NameOf(reason)));
  return lines;
}

std::vector<std::string> ExplainAdmission(const FeatureRules& rules,
                                          Key key,
                                          uint32_t slot,
                                          const std::optional<Seen>& seen,
                                          const StreamClock& now) {
  if (!rules.MayEverAdmit(key, slot)) {
    return {fmt::format("admit_probability: {} shuts this key out for good",
                        rules.RulesOf(slot).admit_probability)};
  }
  if (!rules.Gates(slot)) {
    return {"its first push gives it a row"};
  }
  const FeatureRules::Rules& of_slot = rules.RulesOf(slot);
  const Seen known = seen.value_or(Seen{});
  std::vector<std::string> lines;
  if (of_slot.filter_freq > 1) {
    const uint64_t missing = Since(of_slot.filter_freq, known.frequency);
    lines.push_back(fmt::format("filter_freq: seen in {} samples of the {} it takes, {} to go",
                                known.frequency,
                                of_slot.filter_freq,
                                missing));
  }
  if (of_slot.admit_score > 0) {
    lines.push_back(
        Level("score_threshold", "score", rules.ScoreOf(known.life, now), of_slot.admit_score));
  }
  const bool exact = seen.has_value() && !rules.policy().rules().admission().bloom();
  if (exact) {
    const RowView view{.key = key,
                       .frequency = known.frequency,
                       .last_update = known.last_update,
                       .life = rules.NeedsLife() ? &known.life : nullptr};
    ExplainIdleness(of_slot, view, now, lines);
    if (const EvictReason reason = rules.WhyForget(view, now); reason != EvictReason::kNone) {
      lines.push_back(
          fmt::format("{} makes it start from nothing when it is looked at next", NameOf(reason)));
      return lines;
    }
  }
  lines.emplace_back(seen.has_value() ? "it is counted, and has no row yet"
                                      : "nothing is known of it, so it was not seen lately");
  return lines;
}

}  // namespace freshet::ps
