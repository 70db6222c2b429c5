#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "common/feature_life.h"
#include "common/key.h"
#include "common/version_log/part_file.h"
#include "proto/model.pb.h"

namespace freshet::ps {

enum class EvictReason { kNone, kStepsToLive, kTtl, kL2Weight, kScore, kUnseenDays };
inline constexpr size_t kEvictReasons = 6;

// "steps_to_live" and so on: the name of the setting; "none".
const char* NameOf(EvictReason reason);

// What the rules see of a row, or of a candidate, which has no value yet. Borrowed.
struct RowView {
  Key key = 0;
  uint32_t frequency = 0;
  uint32_t last_update = 0;           // event time, Unix seconds
  const FeatureLife* life = nullptr;  // null: unknown. Rules that need it then do not apply
  std::span<const float> value = {};
};

// What is known of a key that has no row yet, and what its row starts with.
struct Seen {
  uint32_t frequency = 0;
  uint32_t last_update = 0;
  FeatureLife life = {};  // kept up only where FeatureRules::NeedsLife

  friend bool operator==(const Seen&, const Seen&) = default;
};

// Days since 1970 of a Unix time; stops at 2^16 - 1.
uint16_t DayOf(uint64_t event_time_s);

// Samples that had the key, added to how many had it before; stops at 2^32 - 1.
inline uint32_t AddFrequency(uint32_t frequency, KeyCount count) {
  const uint64_t sum = uint64_t{frequency} + static_cast<uint64_t>(count.shows);
  return static_cast<uint32_t>(std::min<uint64_t>(sum, std::numeric_limits<uint32_t>::max()));
}

// The feature policy of one variable, compiled: which keys get a row, which rows go, which are for
// serving. docs/features.md has the formulas.
//
// Every answer is a function of the row, the clock of the stream and the variable's seed. Judging
// changes nothing: shows and clicks are decayed when a push touches the row, and for a judgement
// on a copy, by one multiplication for each day that has passed. So the numbers are, bit for bit,
// those of a pass over all rows at every midnight, whenever and however often rows are judged.
// Immutable after construction.
class FeatureRules {
 public:
  // The variable has passed CheckModel.
  explicit FeatureRules(const proto::EmbeddingVariable& variable);

  // Must rows and candidates carry a FeatureLife?
  bool NeedsLife() const { return needs_life_; }

  // Can a new key of the slot be refused a row?
  bool Gates(uint32_t slot) const { return RulesOf(slot).gates; }

  // False for the keys that admit_probability shuts out for good.
  bool MayEverAdmit(Key key, uint32_t slot) const;

  // Does a key that may be admitted get its row, having been seen like this?
  bool Admits(uint32_t slot, const Seen& seen) const;

  // Adds a push to what is remembered. A push of an earlier day than the row's counts as one of
  // the row's.
  void Touch(
      FeatureLife& life, uint32_t slot, KeyCount count, uint64_t step, uint32_t event_time_s) const;

  // The same for a key that has no row yet: frequency and last update as well.
  void Touch(Seen& seen, uint32_t slot, KeyCount count, uint64_t step, uint32_t event_time_s) const;

  // The first rule, in the order of EvictReason, by which the row goes now.
  EvictReason WhyEvict(const RowView& row, const StreamClock& now) const;

  // The same for a candidate: only the rules of steps and time apply.
  EvictReason WhyForget(const RowView& candidate, const StreamClock& now) const;

  // Does serving get the row?
  bool Serves(const RowView& row, const StreamClock& now) const;

  // Is there any rule for serving? If not, every row is served.
  bool FiltersServing() const { return filters_serving_; }

  // The show/click score, decayed to the day of `now`.
  float ScoreOf(const FeatureLife& life, const StreamClock& now) const;

  // The rules in force for a slot, for those who explain them.
  struct Rules {
    uint32_t filter_freq = 0;
    float admit_probability = 0;
    float admit_score = 0;
    bool gates = false;

    uint32_t steps_to_live = 0;
    uint32_t ttl_secs = 0;
    double l2_threshold = 0;
    float delete_threshold = 0;
    uint32_t unseen_days = 0;

    uint32_t serving_frequency = 0;
    double serving_l2_threshold = 0;
    float serving_score = 0;
  };

  const Rules& RulesOf(uint32_t slot) const {
    return slot < by_slot_.size() ? rules_[by_slot_[slot]] : rules_[0];
  }

  // Those of the row's slot; the variable's if its life is unknown.
  const Rules& RulesOf(const RowView& row) const {
    return row.life == nullptr ? rules_[0] : RulesOf(row.life->slot);
  }

  const proto::FeaturePolicy& policy() const { return policy_; }

 private:
  void Decay(FeatureLife& life, uint16_t day) const;

  const proto::FeaturePolicy policy_;
  const uint64_t admit_seed_;
  std::vector<Rules> rules_;       // the variable's, then those of slots that have their own
  std::vector<uint16_t> by_slot_;  // index into rules_; slots beyond have the variable's
  bool needs_life_ = false;
  bool filters_serving_ = false;
};

}  // namespace freshet::ps
