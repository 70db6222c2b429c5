#pragma once
#include <cstddef>

#include "common/cluster/gate_rules.h"
#include "proto/manifest.pb.h"

namespace freshet::coordinator {

// Judges the version that `manifest` is about to commit, by its scores and parts and by what the
// version before it has pending; the answer is the gate of the new version (proto/manifest.proto).
// A function of its arguments alone. `held_out` is the slice that rules.held_out speaks of.
proto::GateState Judge(const GateRules& rules,
                       size_t held_out,
                       const proto::Manifest& head,
                       const proto::Manifest& manifest);

// A verdict was given with this version, not carried on from the one before.
bool IsVerdict(const proto::GateState& gate);

}  // namespace freshet::coordinator
