#pragma once
#include <cstdint>
#include <mutex>
#include <string>

#include "proto/control.pb.h"

namespace freshet::coordinator {

// What the control thread lets others know.
struct Progress {
  proto::StatusResponse::Phase phase = proto::StatusResponse::FORMING;
  std::string waiting_for;
  uint64_t epoch = 0;
  uint64_t version = 0;  // newest committed
  int64_t event_time_watermark_ms = 0;
  double cut_pause_ms = 0.0;
  uint64_t cuts = 0;
  uint64_t failed_cuts = 0;
  uint64_t rewinds = 0;
};

// So that a question about the state never waits for the control thread. Thread-safety: any thread.
class Board {
 public:
  Progress Read() const {
    const std::lock_guard lock(mutex_);
    return progress_;
  }

  // `change` gets a Progress&.
  template <typename Change>
  void Update(const Change& change) {
    const std::lock_guard lock(mutex_);
    change(progress_);
  }

 private:
  mutable std::mutex mutex_;
  Progress progress_;
};

}  // namespace freshet::coordinator
