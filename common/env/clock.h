#pragma once
#include <chrono>
#include <cstdint>

namespace freshet {

// Time as the logic sees it; a test can stop it. Thread-safety: any thread.
class Clock {
 public:
  virtual ~Clock() = default;

  // Never goes back; from an arbitrary start.
  virtual std::chrono::nanoseconds Monotonic() const = 0;
  // Milliseconds since 1970-01-01 UTC.
  virtual int64_t UnixMillis() const = 0;
  virtual void SleepFor(std::chrono::nanoseconds duration) = 0;
};

// The machine's clock. Lives as long as the process.
Clock& SystemClock();

}  // namespace freshet
