#include "ps/normal.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numbers>

#include "common/key.h"
#include "ps/simd.h"

namespace freshet::ps {
namespace {

// A double's exponent, as it lies in its bits; and its sign.
constexpr uint64_t kExponent = 0x7ff0000000000000U;
constexpr uint64_t kSign = 0x8000000000000000U;
constexpr unsigned kMantissaBits = 52;
// To a double of this exponent, an integer below 2^32 adds itself in the lowest bits.
constexpr double kTwo52 = 0x1p52;
constexpr double kTwo84 = 0x1p84;

// Exactly; x < 2^54. In vectors, which few processors convert such integers in.
FRESHET_INLINE double ToDouble(uint64_t x) {
  const double high = std::bit_cast<double>(std::bit_cast<uint64_t>(kTwo84) | x >> 32U) - kTwo84;
  const double low =
      std::bit_cast<double>(std::bit_cast<uint64_t>(kTwo52) | (x & 0xffffffffU)) - kTwo52;
  return high + low;
}

// first + s (second + s (... )).
template <size_t kCount>
FRESHET_INLINE double Polynomial(const double (&coefficients)[kCount], double s) {
  double sum = coefficients[kCount - 1];
  for (size_t i = kCount - 1; i > 0; --i) {
    sum = sum * s + coefficients[i - 1];
  }
  return sum;
}

// x normal, above 0. x = 2^e m with m in [1/sqrt(2), sqrt(2)), and log m by the series of artanh.
FRESHET_INLINE double Log(double x) {
  constexpr double kSeries[] = {1.0 / 3,
                                1.0 / 5,
                                1.0 / 7,
                                1.0 / 9,
                                1.0 / 11,
                                1.0 / 13,
                                1.0 / 15,
                                1.0 / 17,
                                1.0 / 19,
                                1.0 / 21};
  constexpr uint64_t kBias = 2048;  // makes e positive
  const auto bits = std::bit_cast<uint64_t>(x);
  const uint64_t above = bits - std::bit_cast<uint64_t>(std::numbers::sqrt2 / 2);
  const uint64_t e = ((above >> kMantissaBits) + kBias) & (2 * kBias - 1);
  const auto m = std::bit_cast<double>(bits - (above & (kExponent | kSign)));
  const double t = (m - 1) / (m + 1);
  const double s = t * t;
  const double exponent = ToDouble(e) - static_cast<double>(kBias);
  return exponent * std::numbers::ln2 + (2 * t + 2 * t * s * Polynomial(kSeries, s));
}

// cos(2 pi u), u in [0, 1): a sine or cosine of at most an eighth of a turn, by their series.
FRESHET_INLINE double CosOfTurns(double u) {
  constexpr double kCos[] = {1.0,
                             -1.0 / 2,
                             1.0 / 24,
                             -1.0 / 720,
                             1.0 / 40320,
                             -1.0 / 3628800,
                             1.0 / 479001600,
                             -1.0 / 87178291200,
                             1.0 / 20922789888000};
  constexpr double kSin[] = {-1.0 / 6,
                             1.0 / 120,
                             -1.0 / 5040,
                             1.0 / 362880,
                             -1.0 / 39916800,
                             1.0 / 6227020800,
                             -1.0 / 1307674368000};
  const double rounded = 4 * u + kTwo52;  // its lowest bits are the nearest quarter
  const auto quarter = std::bit_cast<uint64_t>(rounded);
  const double angle = 2 * std::numbers::pi * (u - 0.25 * (rounded - kTwo52));
  const double s = angle * angle;
  const double cosine = Polynomial(kCos, s);
  const double sine = angle + angle * s * Polynomial(kSin, s);
  // By quarters: cosine, -sine, -cosine, sine.
  const uint64_t odd = 0 - (quarter & 1U);
  const uint64_t picked =
      (std::bit_cast<uint64_t>(sine) & odd) | (std::bit_cast<uint64_t>(cosine) & ~odd);
  const uint64_t sign = ((quarter + 1) & 2U) << 62U;
  return std::bit_cast<double>(picked ^ sign);
}

// u1 in (0, 1], so that the logarithm is finite.
FRESHET_INLINE float Normal(uint64_t row_seed, uint64_t column, double scale) {
  const uint64_t draw = row_seed + 2 * column;
  const double u1 = ToDouble((SplitMix64(draw) >> 11U) + 1) * 0x1p-53;
  const double u2 = ToDouble(SplitMix64(draw + 1) >> 11U) * 0x1p-53;
  return static_cast<float>(scale * (std::sqrt(-2.0 * Log(u1)) * CosOfTurns(u2)));
}

}  // namespace

FRESHET_TARGET_CLONES void FillNormal(uint64_t row_seed,
                                      uint32_t first,
                                      double scale,
                                      std::span<float> columns) {
  constexpr size_t kBlock = 8;
  // A block too many for the last ones costs less than drawing these one by one.
  for (size_t done = 0; done < columns.size(); done += kBlock) {
    std::array<float, kBlock> block;
    for (size_t i = 0; i < kBlock; ++i) {
      block[i] = Normal(row_seed, first + done + i, scale);
    }
    std::copy_n(block.begin(), std::min(kBlock, columns.size() - done), columns.begin() + done);
  }
}

}  // namespace freshet::ps
