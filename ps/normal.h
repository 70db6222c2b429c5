#pragma once
#include <cstdint>
#include <span>

namespace freshet::ps {

// columns[i] = the draw of column `first` + i of the row: normal, of mean 0 and standard deviation
// `scale`. By Box and Muller 1958, from two uniform draws a column (docs/optimizers.md).
//
// Its logarithm and cosine are its own, many columns at a time: a new row draws all its columns,
// and libm's, one by one, cost more than the rest of making a row. They are within 4 units in the
// last place of a double, and the same bits on every processor, which libm does not promise.
void FillNormal(uint64_t row_seed, uint32_t first, double scale, std::span<float> columns);

}  // namespace freshet::ps
