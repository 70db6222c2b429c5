#pragma once
#include <cstdint>
#include <span>
#include <vector>

// Values for serving in fewer bits than training has (proto::ServingValues). Thread-safety: any
// thread.
namespace freshet {

// Nearest halves; what is finite stays so.
std::vector<uint16_t> ServingHalves(std::span<const float> values);

// A row is values * scale. Symmetric, with the largest absolute value of the row at 127, so the
// error of an element is at most half a scale. A row with an element that is not finite has a scale
// of NaN.
struct Int8Rows {
  std::vector<int8_t> values;  // [rows * dim], -127 to 127
  std::vector<float> scales;   // [rows]
};

Int8Rows QuantizeRows(std::span<const float> values, uint32_t dim);

// [rows * dim]
std::vector<float> DequantizeRows(const Int8Rows& rows, uint32_t dim);

}  // namespace freshet
