#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "perf/table/contestant.h"

namespace freshet::perf {

// A row of a peer or of the limit: compiled for its width.
template <uint32_t kDim>
struct Row {
  float value[kDim];
  float accumulator[kDim];

  void Init() {
    for (uint32_t i = 0; i < kDim; ++i) {
      value[i] = kInitialValue;
      accumulator[i] = kInitialAccumulator;
    }
  }

  void CopyValue(float* to) const { std::memcpy(to, value, sizeof(value)); }

  void Step(const float* __restrict gradient) {
    float* const __restrict v = value;
    float* const __restrict a = accumulator;
    for (uint32_t i = 0; i < kDim; ++i) {
      a[i] += gradient[i] * gradient[i];
      v[i] -= kLearningRate * gradient[i] / (std::sqrt(a[i]) + kEpsilon);
    }
  }

  void PrefetchValue() const {
    for (size_t byte = 0; byte < sizeof(value); byte += 64) {
      __builtin_prefetch(reinterpret_cast<const char*>(this) + byte);
    }
  }

  void PrefetchToWrite() const {
    for (size_t byte = 0; byte < sizeof(Row); byte += 64) {
      __builtin_prefetch(reinterpret_cast<const char*>(this) + byte, 1);
    }
  }
};

}  // namespace freshet::perf
