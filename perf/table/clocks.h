#pragma once
#include <cstdint>
#include <ctime>

namespace freshet::perf {

inline int64_t NowNs(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

inline int64_t WallTimeNs() {
  return NowNs(CLOCK_MONOTONIC);
}

// What this thread has used of a processor, in the kernel too.
inline int64_t ThreadTimeNs() {
  return NowNs(CLOCK_THREAD_CPUTIME_ID);
}

}  // namespace freshet::perf
