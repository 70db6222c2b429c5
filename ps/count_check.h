#pragma once
#include <span>

#include "common/feature_life.h"
#include "common/status.h"
#include "proto/ps.pb.h"
#include "ps/split.h"

namespace freshet::ps {

// InvalidArgument, naming worker, variable and key, unless KeyCount::IsValid() for
// each key. keys, counts [keys of all runs], in the order of the payload.
Status CheckCounts(const proto::ModelSpec& model,
                   const proto::PushRequest& request,
                   std::span<const Key> keys,
                   std::span<const KeyCount> counts);

}  // namespace freshet::ps
