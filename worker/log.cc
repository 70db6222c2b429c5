#include "worker/log.h"

#include <spdlog/spdlog.h>

#include <memory>

namespace freshet::worker {

spdlog::logger& Log() {
  static const std::shared_ptr<spdlog::logger> logger = spdlog::default_logger()->clone("worker");
  return *logger;
}

}  // namespace freshet::worker
