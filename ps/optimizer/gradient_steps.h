#pragma once
#include <absl/container/inlined_vector.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <span>

#include "common/model/optimizer_limits.h"
#include "proto/model.pb.h"
#include "ps/optimizer/optimizer.h"
#include "ps/simd.h"

namespace freshet::ps {

// The interval that values are held in. Gradients are below the widest in size when they arrive
// (ps/gradient_check.h), so no sum of a gradient and a value leaves the range of a float.
struct Bounds {
  float least = -kMaxWeight;
  float most = kMaxWeight;

  FRESHET_INLINE float Hold(float value) const {
    const float raised = value < least ? least : value;
    return raised > most ? most : raised;
  }
};

// The sum of squares in double precision, in 8 lanes, column c in lane c % 8, so that vectors of
// any width give the same bits.
FRESHET_INLINE double SumOfSquares(const float* row, uint32_t dim) {
  constexpr uint32_t kLanes = 8;
  using Floats = float __attribute__((vector_size(kLanes * sizeof(float))));
  using Doubles = double __attribute__((vector_size(kLanes * sizeof(double))));
  Doubles lanes{};
  const uint32_t whole = dim - dim % kLanes;
  for (uint32_t column = 0; column < whole; column += kLanes) {
    Floats floats;
    std::memcpy(&floats, row + column, sizeof(floats));
    const Doubles doubles = __builtin_convertvector(floats, Doubles);
    lanes += doubles * doubles;
  }
  for (uint32_t column = whole; column < dim; ++column) {
    lanes[column % kLanes] += double{row[column]} * double{row[column]};
  }
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
         ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

// What every optimizer but ledger can do before and after its own step: clip the gradient, add l2
// to it, shrink the value by l1, hold it in bounds. Exact formulas: docs/optimizers.md.
// Immutable after construction.
class GradientSteps {
 public:
  // The options have passed CheckModel.
  explicit GradientSteps(const proto::Optimizer& options);

  // Whether there is more to do than a kernel's own step, which holds the bounds.
  bool any() const { return clip_value_ < kNone || clip_norm_ < kNone || l1_ > 0 || l2_ > 0; }

  // The bounds that the kernel holds: when l1 shrinks the value after it, the widest.
  Bounds kernel_bounds() const { return l1_ > 0 ? Bounds() : bounds_; }

  // Puts the gradient to step with into `prepared` [dim].
  FRESHET_INLINE void Prepare(const float* __restrict value,
                              const float* __restrict gradient,
                              uint32_t dim,
                              float* __restrict prepared) const {
    const Bounds clip{.least = -clip_value_, .most = clip_value_};
    ForColumns(dim, [&](size_t column) FRESHET_INLINE_LAMBDA {
      prepared[column] = clip.Hold(gradient[column]);
    });
    if (clip_norm_ < kNone) {
      ClipNorm(dim, prepared);
    }
    if (l2_ > 0) {
      ForColumns(dim, [&](size_t column) FRESHET_INLINE_LAMBDA {
        prepared[column] = Bounds().Hold(prepared[column] + l2_ * value[column]);
      });
    }
  }

  // The value after the kernel's step with this learning rate.
  FRESHET_INLINE void Finish(float rate, uint32_t dim, float* __restrict value) const {
    if (l1_ > 0) {
      const float shrinkage = rate * l1_;
      ForColumns(dim, [&](size_t column) FRESHET_INLINE_LAMBDA {
        const float size = std::abs(value[column]) - shrinkage;
        value[column] = bounds_.Hold(std::copysign(size > 0.0F ? size : 0.0F, value[column]));
      });
    }
  }

 private:
  static constexpr float kNone = 0x1p120F;

  FRESHET_INLINE void ClipNorm(uint32_t dim, float* __restrict prepared) const {
    const double norm = std::sqrt(SumOfSquares(prepared, dim));
    if (norm > double{clip_norm_}) {
      const auto factor = static_cast<float>(double{clip_norm_} / norm);
      ForColumns(dim, [&](size_t column) FRESHET_INLINE_LAMBDA { prepared[column] *= factor; });
    }
  }

  float clip_value_;  // from kNone on, none
  float clip_norm_;
  float l1_;
  float l2_;
  Bounds bounds_;
};

// Steps one row after the other. Kernel: a struct of ps/optimizer/row_kernels.h. By value, so that
// the compiler sees that no row lies over them.
template <typename Kernel>
FRESHET_INLINE void StepRows(GradientSteps steps,
                             Kernel kernel,
                             std::span<const RowUpdate> updates) {
  if (!steps.any()) {
    for (const RowUpdate& update : updates) {
      kernel.Step(update.value, update.state, update.gradient);
    }
    return;
  }
  constexpr size_t kInline = 64;
  absl::InlinedVector<float, kInline> prepared(kernel.dim);
  for (const RowUpdate& update : updates) {
    steps.Prepare(update.value, update.gradient, kernel.dim, prepared.data());
    kernel.Step(update.value, update.state, prepared.data());
    steps.Finish(kernel.rate, kernel.dim, update.value);
  }
}

}  // namespace freshet::ps
