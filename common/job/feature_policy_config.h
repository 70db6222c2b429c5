#pragma once
#include <cstdint>

#include "common/config/config_file.h"
#include "proto/model.pb.h"

namespace freshet {

// What `model` says of the life of its features: value_type, admission, eviction, score,
// serving_filter. What is absent has its default. docs/features.md explains the rules.
proto::ValueType ReadValueType(const ConfigSection& model);
proto::FeaturePolicy ReadFeaturePolicy(const ConfigSection& model);

// What an entry of `slots` says instead; adds nothing if it says nothing.
void ReadSlotRules(const ConfigSection& slot, uint32_t index, proto::FeaturePolicy* policy);

// Once the rules of all slots are there: fills in what follows from the rules, and checks that they
// go together. `has_event_time`: the samples have one.
void FinishFeaturePolicy(const ConfigSection& model,
                         uint32_t slot_count,
                         bool has_event_time,
                         proto::FeaturePolicy* policy);

}  // namespace freshet
