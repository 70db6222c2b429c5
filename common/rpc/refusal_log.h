#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

#include "absl/base/thread_annotations.h"
#include "common/mutex.h"
#include "common/status.h"

namespace freshet::rpc {

// Warns of connections that were closed because of what came over them, at most once a second,
// with the number of those not told of. Thread-safety: any thread.
class RefusalLog {
 public:
  void Note(const std::string& peer, const Status& why) ABSL_LOCKS_EXCLUDED(mutex_);

  // All of them.
  uint64_t noted() const { return noted_; }

 private:
  std::atomic<uint64_t> noted_ = 0;
  Mutex mutex_;
  std::chrono::steady_clock::time_point quiet_until_ ABSL_GUARDED_BY(mutex_);
  uint64_t untold_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace freshet::rpc
