#pragma once
#include <cstddef>
#include <optional>
#include <span>

#include "common/status.h"
#include "proto/ps.pb.h"
#include "ps/split.h"

namespace freshet::ps {

// A gradient must be finite and below this in size: its square, which optimizers sum up, would
// leave the range of a float otherwise.
inline constexpr float kGradientLimit = 0x1p60F;

// The index of the first gradient that is not, if any.
std::optional<size_t> FindBadGradient(std::span<const float> gradients);

// InvalidArgument, naming variable and key, if a gradient of the push is bad. Those of ledgers are
// integers and always good. `keys` and `gradients` are the payload's two halves.
Status CheckGradients(const proto::ModelSpec& model,
                      const proto::PushRequest& request,
                      std::span<const Key> keys,
                      std::span<const float> gradients);

}  // namespace freshet::ps
