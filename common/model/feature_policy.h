#pragma once
#include <cstdint>

#include "common/status.h"
#include "proto/feature_policy.pb.h"

// What everybody must know of a feature policy, the worker as well as the server. What the rules
// do with rows is the server's (ps/life/); docs/features.md explains them.
namespace freshet {

// The rules that count for keys of one slot.
struct EffectiveRules {
  proto::Admission admission;
  proto::Eviction eviction;
  proto::ServingFilter serving;
};

// Those of keys whose slot has no rules of its own.
EffectiveRules VariableRules(const proto::FeaturePolicy& policy);
// Those of the slot: what it sets stands instead of the variable's.
EffectiveRules RulesOfSlot(const proto::FeaturePolicy& policy, const proto::SlotRules& slot);

// True if a rule weighs how many samples had a key: then pushes must carry counts. Without, each
// push counts as one sample.
bool NeedsCounts(const proto::FeaturePolicy& policy);

// True if there is any rule at all: keys are admitted, evicted or kept from serving. Then every
// server must hear of every push, because its clock moves on with them.
bool HasRules(const proto::FeaturePolicy& policy);

// True if keys of different slots are judged differently: then a run of keys in a push must come
// from one slot.
bool HasSlotRules(const proto::FeaturePolicy& policy);

// Is there a rule by the show/click score?
bool UsesScores(const proto::FeaturePolicy& policy);

// Can a row that nobody pushes come to be kept from serving? Its score decays.
bool ServesByScore(const proto::FeaturePolicy& policy);

// Is there a rule that evicts rows?
bool Evicts(const proto::FeaturePolicy& policy);

// Does a rule read the event time, which a stream without one leaves at 0?
bool NeedsEventTime(const proto::FeaturePolicy& policy);

// InvalidArgument, naming the setting and what would be right: a value out of range, a
// contradiction between two, a slot that a model with so many slots does not have.
Status CheckFeaturePolicy(const proto::FeaturePolicy& policy, uint32_t slot_count);

}  // namespace freshet
