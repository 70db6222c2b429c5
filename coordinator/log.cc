#include "coordinator/log.h"

#include <spdlog/spdlog.h>

#include <memory>

namespace freshet::coordinator {

spdlog::logger& Log() {
  static const std::shared_ptr<spdlog::logger> logger =
      spdlog::default_logger()->clone("coordinator");
  return *logger;
}

}  // namespace freshet::coordinator
