#include "ps/log.h"

#include <spdlog/logger.h>
#include <spdlog/spdlog.h>

#include <memory>

namespace freshet::ps {

spdlog::logger& Log() {
  static const std::shared_ptr<spdlog::logger> logger = spdlog::default_logger()->clone("ps");
  return *logger;
}

}  // namespace freshet::ps
