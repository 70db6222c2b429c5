#pragma once
#include <memory>

#include "common/process/process.h"
#include "common/status.h"

namespace freshet::worker {

// A worker as a member of its cluster: trains when the coordinator says so, answers GET /metrics.
// InvalidArgument: the worker config is wrong. `context` outlives the role.
StatusOr<std::unique_ptr<RunningRole>> StartWorker(const RoleContext& context);

}  // namespace freshet::worker
