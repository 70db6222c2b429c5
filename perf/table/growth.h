#pragma once
#include <cstdint>

namespace freshet::perf {

// How long batches of kBatch new rows take while Freshet's table grows from nothing. By the wall
// clock: what a puller behind them waits, page faults and whatever else the machine did included.
struct BatchTimes {
  double median_us = 0;
  double p99_us = 0;
  double p999_us = 0;
  double worst_us = 0;
  uint64_t worst_at_rows = 0;
  // The same by the thread's processor time: without what others took of the machine.
  double median_cpu_us = 0;
  double worst_cpu_us = 0;
  // Batches in which the kernel gave memory, and how long those take.
  double fault_share = 0;
  double median_with_fault_us = 0;
};

// Plain SGD: value and no state.
BatchTimes MeasureGrowth(uint32_t dim, uint32_t rows);

}  // namespace freshet::perf
