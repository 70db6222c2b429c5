#pragma once
#include <span>

#include "common/feature_life.h"
#include "common/status.h"
#include "proto/ps.pb.h"
#include "ps/split.h"

namespace freshet::ps {

// Shows are at most this: up to here a float counts every sample, and no batch has as many.
inline constexpr float kShowsLimit = 0x1p24F;

// InvalidArgument, naming worker, variable and key, unless 0 <= clicks <= shows <= kShowsLimit for
// each key. keys, counts [keys of all runs], in the order of the payload.
Status CheckCounts(const proto::ModelSpec& model,
                   const proto::PushRequest& request,
                   std::span<const Key> keys,
                   std::span<const KeyCount> counts);

}  // namespace freshet::ps
