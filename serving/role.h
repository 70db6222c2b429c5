#pragma once
#include <memory>

#include "common/process/process.h"
#include "common/status.h"

namespace freshet::serving {

// A serving node: follows the version log of the cluster, answers HTTP, hears of new versions over
// rpc, reports to the coordinator. It serves without a coordinator too.
StatusOr<std::unique_ptr<RunningRole>> StartServing(const RoleContext& context);

}  // namespace freshet::serving
