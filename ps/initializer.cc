#include "ps/initializer.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "common/check.h"

namespace freshet::ps {
namespace {

// Two independent draws per column.
uint64_t Draw(uint64_t row_seed, uint32_t column, uint32_t which) {
  return SplitMix64(row_seed + 2 * uint64_t{column} + which);
}

// 24 bits, so that the largest value is still below `scale` after rounding to float.
float Uniform(uint64_t row_seed, uint32_t column, double scale) {
  const double u = static_cast<double>(Draw(row_seed, column, 0) >> 40) * 0x1p-24;
  return static_cast<float>(scale * (2.0 * u - 1.0));
}

// Box and Muller 1958; u1 in (0, 1], so that the logarithm is finite.
float Normal(uint64_t row_seed, uint32_t column, double scale) {
  const double u1 = static_cast<double>((Draw(row_seed, column, 0) >> 11) + 1) * 0x1p-53;
  const double u2 = static_cast<double>(Draw(row_seed, column, 1) >> 11) * 0x1p-53;
  const double normal = std::sqrt(-2.0 * std::log(u1)) * std::cos(2.0 * std::numbers::pi * u2);
  return static_cast<float>(scale * normal);
}

// Columns from `first` on.
void FillColumns(const proto::Initializer& initializer,
                 uint64_t row_seed,
                 uint32_t first,
                 std::span<float> columns) {
  const double scale = initializer.scale();
  switch (initializer.kind()) {
    case proto::Initializer::CONSTANT:
      std::ranges::fill(columns, initializer.scale());
      return;
    case proto::Initializer::UNIFORM:
      for (uint32_t i = 0; i < columns.size(); ++i) {
        columns[i] = Uniform(row_seed, first + i, scale);
      }
      return;
    case proto::Initializer::NORMAL:
      for (uint32_t i = 0; i < columns.size(); ++i) {
        columns[i] = Normal(row_seed, first + i, scale);
      }
      return;
    default:
      std::ranges::fill(columns, 0.0F);
  }
}

}  // namespace

void RowInitializer::Fill(Key key, std::span<float> value) const {
  FRESHET_DCHECK(value.size() == dim_);
  const uint64_t row_seed = SplitMix64(seed_ ^ key);
  uint32_t column = 0;
  for (const proto::Initializer& initializer : initializers_) {
    const uint32_t left = dim_ - column;
    const uint32_t taken =
        initializer.columns() == 0 ? left : std::min(left, initializer.columns());
    FillColumns(initializer, row_seed, column, value.subspan(column, taken));
    column += taken;
  }
  std::fill(value.begin() + column, value.end(), 0.0F);
}

}  // namespace freshet::ps
