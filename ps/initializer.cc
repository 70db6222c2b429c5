#include "ps/initializer.h"

#include <algorithm>

#include "common/check.h"
#include "ps/normal.h"

namespace freshet::ps {
namespace {

// 24 bits, so that the largest value is still below `scale` after rounding to float.
float Uniform(uint64_t row_seed, uint32_t column, double scale) {
  const double u = static_cast<double>(SplitMix64(row_seed + 2 * uint64_t{column}) >> 40) * 0x1p-24;
  return static_cast<float>(scale * (2.0 * u - 1.0));
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
      FillNormal(row_seed, first, scale, columns);
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
