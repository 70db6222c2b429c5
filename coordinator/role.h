#pragma once
#include <memory>

#include "common/process/process.h"
#include "common/status.h"

namespace freshet {

// Runs the coordinator of context.config. Its address is not written: RunRoleMain does that.
StatusOr<std::unique_ptr<RunningRole>> StartCoordinator(const RoleContext& context);

}  // namespace freshet
