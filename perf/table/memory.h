#pragma once
#include <cstdint>

namespace freshet::perf {

// What Freshet's table takes beside keys, values and state: resident bytes of this process less
// what was resident before the table, less rows * (8 + 4 * (dim + state)). Adagrad.
struct MemoryOverhead {
  double per_row = 0;         // at the end
  double per_row_growth = 0;  // the mean over the growth from a tenth of the rows on
  double per_row_peak = 0;    // the highest that the process ever had, at the end's rows
};

// In a process that has done nothing yet.
MemoryOverhead MeasureMemory(uint32_t dim, uint32_t rows);

}  // namespace freshet::perf
