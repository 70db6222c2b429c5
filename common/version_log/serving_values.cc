#include "common/version_log/serving_values.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "common/half.h"

namespace freshet {
namespace {

constexpr float kLargestHalf = 65504.0F;
constexpr float kLargestInt8 = 127.0F;

}  // namespace

std::vector<uint16_t> ServingHalves(std::span<const float> values) {
  std::vector<float> bounded(values.begin(), values.end());
  for (float& value : bounded) {
    if (std::isfinite(value)) {
      value = std::clamp(value, -kLargestHalf, kLargestHalf);
    }
  }
  std::vector<uint16_t> halves(values.size());
  ToF16(bounded, halves);
  return halves;
}

Int8Rows QuantizeRows(std::span<const float> values, uint32_t dim) {
  Int8Rows rows;
  rows.values.resize(values.size());
  rows.scales.resize(values.size() / dim);
  for (size_t row = 0; row < rows.scales.size(); ++row) {
    const std::span<const float> of_row = values.subspan(row * dim, dim);
    float largest = 0.0F;
    bool finite = true;
    for (const float value : of_row) {
      finite = finite && std::isfinite(value);
      largest = std::max(largest, std::abs(value));
    }
    if (!finite) {
      rows.scales[row] = std::numeric_limits<float>::quiet_NaN();
      continue;
    }
    // So small that its reciprocal would be infinite: zeros.
    const float scale = largest / kLargestInt8;
    if (!std::isnormal(scale)) {
      continue;
    }
    rows.scales[row] = scale;
    for (uint32_t d = 0; d < dim; ++d) {
      const float scaled = std::nearbyint(of_row[d] / scale);
      rows.values[row * dim + d] =
          static_cast<int8_t>(std::clamp(scaled, -kLargestInt8, kLargestInt8));
    }
  }
  return rows;
}

std::vector<float> DequantizeRows(const Int8Rows& rows, uint32_t dim) {
  std::vector<float> values(rows.values.size());
  for (size_t row = 0; row < rows.scales.size(); ++row) {
    for (uint32_t d = 0; d < dim; ++d) {
      values[row * dim + d] = static_cast<float>(rows.values[row * dim + d]) * rows.scales[row];
    }
  }
  return values;
}

}  // namespace freshet
