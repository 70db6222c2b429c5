#pragma once
#include <spdlog/logger.h>

namespace freshet::worker {

// The module's logger. For .cc files.
spdlog::logger& Log();

}  // namespace freshet::worker
