#include "common/rpc/refusal_log.h"

#include <spdlog/spdlog.h>

#include "common/rpc/log.h"

namespace freshet::rpc {

spdlog::logger& Log() {
  static const std::shared_ptr<spdlog::logger> logger = [] {
    std::shared_ptr<spdlog::logger> registered = spdlog::get("rpc");
    return registered != nullptr ? registered : spdlog::default_logger()->clone("rpc");
  }();
  return *logger;
}

void RefusalLog::Note(const std::string& peer, const Status& why) {
  ++noted_;
  const auto now = std::chrono::steady_clock::now();
  uint64_t untold = 0;
  {
    const MutexLock lock(mutex_);
    if (now < quiet_until_) {
      ++untold_;
      return;
    }
    quiet_until_ = now + std::chrono::seconds(1);
    std::swap(untold, untold_);
  }
  Log().warn(
      "connection closed: bad frame peer={} untold={} reason=\"{}\"", peer, untold, MessageOf(why));
}

}  // namespace freshet::rpc
