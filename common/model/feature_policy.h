#pragma once
#include "proto/feature_policy.pb.h"

namespace freshet {

// What a feature policy asks of those who train under it. docs/features.md has its rules.

// Some rule, of a slot or of all, counts how often a key is seen: in samples, as a score of shows
// and clicks, or in days without either.
bool NeedsCounts(const proto::FeaturePolicy& policy);

// Some slot has rules of its own.
bool HasSlotRules(const proto::FeaturePolicy& policy);

// There is any rule at all: keys are admitted, evicted or kept from serving.
bool HasRules(const proto::FeaturePolicy& policy);

}  // namespace freshet
