#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "ps/optimizer/gradient_steps.h"
#include "ps/simd.h"

// The formulas of docs/optimizers.md: one step of one row, in the order of operations that is
// written there. Inlined into the functions that the optimizers compile for several machines; a
// test compiles them for the plainest one and compares. Each kernel has a Step(value [dim],
// state [state_dim], gradient [dim]), whose arguments do not overlap. No step makes a NaN, or a
// value or state that is not finite, of finite ones: where a sum could leave the range of a float
// it is held at the edge, and no quotient is 0/0 or of two infinities.
namespace freshet::ps {

inline constexpr float kMaxFloat = std::numeric_limits<float>::max();

// Of sums that have no bound of their own.
FRESHET_INLINE float AtMostMax(float value) {
  return value > kMaxFloat ? kMaxFloat : value;
}

FRESHET_INLINE float Finite(float value) {
  const float raised = value < -kMaxFloat ? -kMaxFloat : value;
  return AtMostMax(raised);
}

struct SgdKernel {
  uint32_t dim = 0;
  float rate = 0;
  Bounds bounds = {};

  FRESHET_INLINE void Step(float* __restrict value,
                           float* __restrict /*state*/,
                           const float* __restrict gradient) const {
    ForColumns(dim, [&](size_t column) FRESHET_INLINE_LAMBDA {
      value[column] = bounds.Hold(value[column] - rate * gradient[column]);
    });
  }
};

// State: b [dim].
template <bool kNesterov>
struct MomentumKernel {
  uint32_t dim = 0;
  float rate = 0;
  Bounds bounds = {};
  float momentum = 0;

  FRESHET_INLINE void Step(float* __restrict value,
                           float* __restrict buffer,
                           const float* __restrict gradient) const {
    ForColumns(dim, [&](size_t column) FRESHET_INLINE_LAMBDA {
      const float g = gradient[column];
      const float b = momentum * buffer[column] + g;
      buffer[column] = b;
      const float direction = kNesterov ? g + momentum * b : b;
      value[column] = bounds.Hold(value[column] - rate * direction);
    });
  }
};

// State: a [dim].
template <bool kDecays>
struct AdagradKernel {
  uint32_t dim = 0;
  float rate = 0;
  Bounds bounds = {};
  float decay = 1;
  float epsilon = 0;

  FRESHET_INLINE void Step(float* __restrict value,
                           float* __restrict accumulator,
                           const float* __restrict gradient) const {
    ForColumns(dim, [&](size_t column) FRESHET_INLINE_LAMBDA {
      const float g = gradient[column];
      const float kept = kDecays ? decay * accumulator[column] : accumulator[column];
      const float a = AtMostMax(kept + g * g);
      accumulator[column] = a;
      value[column] = bounds.Hold(value[column] - rate * g / (std::sqrt(a) + epsilon));
    });
  }
};

// State: a, one for the row.
struct RowWiseAdagradKernel {
  uint32_t dim = 0;
  float rate = 0;
  Bounds bounds = {};
  float decay = 1;
  float epsilon = 0;

  FRESHET_INLINE void Step(float* __restrict value,
                           float* __restrict accumulator,
                           const float* __restrict gradient) const {
    const double mean = SumOfSquares(gradient, dim) / static_cast<double>(dim);
    const double sum = double{decay} * double{*accumulator} + mean;
    const float a = static_cast<float>(std::min(sum, double{kMaxFloat}));
    *accumulator = a;
    const float factor = AtMostMax(rate / (std::sqrt(a) + epsilon));
    ForColumns(dim, [&](size_t column) FRESHET_INLINE_LAMBDA {
      value[column] = bounds.Hold(value[column] - factor * gradient[column]);
    });
  }
};

// The part of adam's learning rate that depends on the row's own step, for both of adam's kinds.
struct AdamCorrection {
  double first = 1;  // 1 - beta1^t
  double root = 1;   // sqrt(1 - beta2^t)

  AdamCorrection() = default;

  AdamCorrection(float beta1, float beta2, double t)
      : first(1.0 - std::pow(double{beta1}, t)),
        root(std::sqrt(1.0 - std::pow(double{beta2}, t))) {}
};

// State: m [dim], v [dim], t. adam is the case keep = 1 of adamw.
struct AdamKernel {
  uint32_t dim = 0;
  float rate = 0;
  Bounds bounds = {};
  float beta1 = 0;
  float beta2 = 0;
  float epsilon = 0;
  float keep = 1;                               // 1 - rate * weight_decay
  const AdamCorrection* corrections = nullptr;  // of t = 1, 2, ... kCorrections

  // A row's first steps are those that most rows have; the others compute their own.
  static constexpr uint32_t kCorrections = 1024;

  FRESHET_INLINE void Step(float* __restrict value,
                           float* __restrict state,
                           const float* __restrict gradient) const {
    float* __restrict const m = state;
    float* __restrict const v = state + dim;
    float& t = state[2 * size_t{dim}];
    t += 1.0F;
    const float row_rate = RateAt(t);
    ForColumns(dim, [&](size_t column) FRESHET_INLINE_LAMBDA {
      const float g = gradient[column];
      m[column] = beta1 * m[column] + (1.0F - beta1) * g;
      v[column] = beta2 * v[column] + (1.0F - beta2) * (g * g);
      value[column] = bounds.Hold(keep * value[column] -
                                  row_rate * m[column] / (std::sqrt(v[column]) + epsilon));
    });
  }

  FRESHET_INLINE float RateAt(float t) const {
    const AdamCorrection correction = t <= static_cast<float>(kCorrections)
                                          ? corrections[static_cast<uint32_t>(t) - 1]
                                          : AdamCorrection(beta1, beta2, double{t});
    return static_cast<float>(double{rate} * correction.root / correction.first);
  }
};

// State: v [dim]; then m [dim] if centered; then b [dim] with a momentum.
template <bool kCentered, bool kMomentum>
struct RmsPropKernel {
  uint32_t dim = 0;
  float rate = 0;
  Bounds bounds = {};
  float decay = 0;
  float epsilon = 0;
  float momentum = 0;

  FRESHET_INLINE void Step(float* __restrict value,
                           float* __restrict state,
                           const float* __restrict gradient) const {
    float* __restrict const v = state;
    float* __restrict const mean = state + dim;
    float* __restrict const buffer = state + (kCentered ? 2 : 1) * size_t{dim};
    ForColumns(dim, [&](size_t column) FRESHET_INLINE_LAMBDA {
      const float g = gradient[column];
      v[column] = decay * v[column] + (1.0F - decay) * (g * g);
      float variance = v[column];
      if constexpr (kCentered) {
        mean[column] = decay * mean[column] + (1.0F - decay) * g;
        variance = variance - mean[column] * mean[column];
        variance = variance > 0.0F ? variance : 0.0F;
      }
      const float scale = std::sqrt(variance) + epsilon;
      if constexpr (kMomentum) {
        buffer[column] = Finite(momentum * buffer[column] + g / scale);
        value[column] = bounds.Hold(value[column] - rate * buffer[column]);
      } else {
        value[column] = bounds.Hold(value[column] - rate * g / scale);
      }
    });
  }
};

// State: z [dim], n [dim]; then the learning rate of the row's last step, if it changes.
// With kGrouped, of group_lasso_ftrl.
template <bool kScheduled, bool kGrouped>
struct FtrlKernel {
  uint32_t dim = 0;
  float rate = 0;
  Bounds bounds = {};
  float beta = 0;
  float l1 = 0;
  float l2 = 0;
  double threshold = 0;  // l21 * sqrt(dim)

  // The formula divides by the learning rate, which a schedule may bring to 0.
  static constexpr float kLeastRate = 0x1p-40F;

  FRESHET_INLINE void Step(float* __restrict value,
                           float* __restrict state,
                           const float* __restrict gradient) const {
    float* __restrict const z = state;
    float* __restrict const n = state + dim;
    const float alpha = rate < kLeastRate ? kLeastRate : rate;
    const float last_alpha = kScheduled ? state[2 * size_t{dim}] : alpha;
    ForColumns(dim, [&](size_t column) FRESHET_INLINE_LAMBDA {
      const float g = gradient[column];
      const float n_after = AtMostMax(n[column] + g * g);
      const float root = std::sqrt(n_after);
      const float sigma = kScheduled
                              ? (beta + root) / alpha - (beta + std::sqrt(n[column])) / last_alpha
                              : (root - std::sqrt(n[column])) / alpha;
      z[column] = Finite(z[column] + (g - sigma * value[column]));
      n[column] = n_after;
      const float pull = std::copysign(l1, z[column]) - z[column];
      const float outside = std::abs(z[column]) <= l1 ? 0.0F : pull;
      // Grouped: the norm of the row decides first, so the value waits in its place.
      value[column] = kGrouped ? outside : Solve(outside, root, alpha);
    });
    if constexpr (kGrouped) {
      const double norm = std::sqrt(SumOfSquares(value, dim));
      const float factor = norm > threshold ? static_cast<float>(1.0 - threshold / norm) : 0.0F;
      ForColumns(dim, [&](size_t column) FRESHET_INLINE_LAMBDA {
        value[column] = Solve(factor * value[column], std::sqrt(n[column]), alpha);
      });
    }
    if constexpr (kScheduled) {
      state[2 * size_t{dim}] = alpha;
    }
  }

  // 0 stays 0, whatever it is divided by.
  FRESHET_INLINE float Solve(float outside, float root, float alpha) const {
    const float solved = outside / ((beta + root) / alpha + l2);
    return bounds.Hold(outside == 0.0F ? 0.0F : solved);
  }
};

}  // namespace freshet::ps
