#pragma once
#include <cstdint>

#include "common/key.h"

namespace freshet::perf {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(SplitMix64(seed)) {}

  uint64_t Next() { return SplitMix64(state_++); }

  // In [0, 1).
  double Uniform() { return static_cast<double>(Next() >> 11) * 0x1p-53; }

  // In [0, bound); bound < 2^32.
  uint32_t Below(uint32_t bound) {
    return static_cast<uint32_t>((Next() >> 32) * uint64_t{bound} >> 32);
  }

 private:
  uint64_t state_;
};

// Ranks 0 .. count - 1, rank r with probability proportional to (r + 1)^-exponent, exponent > 1.
// Rejection-inversion: Hörmann and Derflinger 1996.
class Zipf {
 public:
  Zipf(uint32_t count, double exponent);

  uint32_t Draw(Random& random) const;

 private:
  double Integral(double x) const;  // of t^-exponent from 1 to x
  double InverseIntegral(double y) const;

  const double count_;
  const double exponent_;
  const double low_;  // the range of the inversion
  const double high_;
  const double accept_within_;  // so close to its integer a draw needs no further test
};

}  // namespace freshet::perf
