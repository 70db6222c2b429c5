#pragma once
#include <cstdint>

#include "common/model/dense/layer.h"

namespace freshet {

// max(0, in)
class Relu final : public Layer {
 public:
  void Forward(const Pass& pass, const Matrix& in, Matrix* out) override;
  void Backward(const Pass& pass,
                const Matrix& in,
                const Matrix& out,
                const Matrix& out_gradient,
                Matrix* in_gradient,
                Gradients* gradients) override;
};

// In training each element is 0 with the probability `rate`, else in / (1 - rate); in scoring it is
// `in` (Srivastava et al., JMLR 2014). Which ones is a function of seed, stream step and place, so
// a replay drops the same.
class Dropout final : public Layer {
 public:
  // 0 < rate < 1.
  Dropout(float rate, uint64_t seed);

  void Forward(const Pass& pass, const Matrix& in, Matrix* out) override;
  void Backward(const Pass& pass,
                const Matrix& in,
                const Matrix& out,
                const Matrix& out_gradient,
                Matrix* in_gradient,
                Gradients* gradients) override;

 private:
  void Apply(uint64_t stream_step, const Matrix& in, Matrix* out) const;

  const uint64_t seed_;
  const uint32_t drop_below_;  // of 2^16
  const float scale_;
};

}  // namespace freshet
