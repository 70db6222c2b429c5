#pragma once
#include <atomic>
#include <chrono>

#include "common/env/clock.h"

namespace freshet::coordinator {

// Stands still until it is moved.
class ManualClock final : public Clock {
 public:
  std::chrono::nanoseconds Monotonic() const override { return now_.load(); }

  int64_t UnixMillis() const override {
    return std::chrono::duration_cast<std::chrono::milliseconds>(now_.load()).count();
  }

  void SleepFor(std::chrono::nanoseconds duration) override { Advance(duration); }

  void Advance(std::chrono::nanoseconds duration) { now_.store(now_.load() + duration); }

 private:
  std::atomic<std::chrono::nanoseconds> now_{std::chrono::hours(1)};
};

}  // namespace freshet::coordinator
