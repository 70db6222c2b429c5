#pragma once
#include <cstdint>

#include "common/model/batch.h"
#include "common/model/dense/matrix.h"

namespace freshet {

// One go of a batch through a model.
struct Pass {
  const Parameters& parameters;
  // Training learns and draws; scoring sees what serving sees: no dropout, running statistics.
  bool training = false;
  uint64_t stream_step = 0;  // what is random in training is a function of it
};

// A differentiable function from [samples, inputs] to [samples, outputs] that may have dense
// variables. A layer may keep what its Backward needs: one object per thread.
class Layer {
 public:
  virtual ~Layer() = default;

  // *out is resized.
  virtual void Forward(const Pass& pass, const Matrix& in, Matrix* out) = 0;

  // From d(loss)/d(out) to d(loss)/d(in), which is resized; adds to the gradients of its variables.
  // Follows the Forward in training that made `out` of `in`.
  virtual void Backward(const Pass& pass,
                        const Matrix& in,
                        const Matrix& out,
                        const Matrix& out_gradient,
                        Matrix* in_gradient,
                        Gradients* gradients) = 0;
};

}  // namespace freshet
