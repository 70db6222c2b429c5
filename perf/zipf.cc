#include "perf/zipf.h"

#include <algorithm>
#include <cmath>

namespace freshet::perf {

Zipf::Zipf(uint32_t count, double exponent)
    : count_(count),
      exponent_(exponent),
      low_(Integral(1.5) - 1.0),
      high_(Integral(count + 0.5)),
      accept_within_(2.0 - InverseIntegral(Integral(2.5) - std::pow(2.0, -exponent))) {}

double Zipf::Integral(double x) const {
  return (std::pow(x, 1.0 - exponent_) - 1.0) / (1.0 - exponent_);
}

double Zipf::InverseIntegral(double y) const {
  return std::pow(1.0 + y * (1.0 - exponent_), 1.0 / (1.0 - exponent_));
}

uint32_t Zipf::Draw(Random& random) const {
  while (true) {
    const double y = high_ + random.Uniform() * (low_ - high_);
    const double x = InverseIntegral(y);
    const double rank = std::clamp(std::floor(x + 0.5), 1.0, count_);
    if (rank - x <= accept_within_ || y >= Integral(rank + 0.5) - std::pow(rank, -exponent_)) {
      return static_cast<uint32_t>(rank) - 1;
    }
  }
}

}  // namespace freshet::perf
