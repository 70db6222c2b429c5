#pragma once
#include <spdlog/logger.h>

namespace freshet::coordinator {

// The module's logger.
spdlog::logger& Log();

}  // namespace freshet::coordinator
