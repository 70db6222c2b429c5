#pragma once
#include <memory>

#include "common/process/process.h"
#include "common/status.h"

namespace freshet::ps {

// A parameter server as a member of its cluster: joins, reports rows and bytes with each heartbeat,
// answers GET /metrics and GET /health over HTTP. `context` outlives the role.
StatusOr<std::unique_ptr<RunningRole>> StartPs(const RoleContext& context);

}  // namespace freshet::ps
