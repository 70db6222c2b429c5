#include "common/model/dense/activation.h"

#include <algorithm>
#include <cmath>

#include "common/check.h"
#include "common/key.h"

namespace freshet {

void Relu::Forward(const Pass& /*pass*/, const Matrix& in, Matrix* out) {
  out->Resize(in.rows(), in.columns());
  std::transform(in.values().begin(), in.values().end(), out->values().begin(), [](float value) {
    return std::max(value, 0.0F);
  });
}

void Relu::Backward(const Pass& /*pass*/,
                    const Matrix& /*in*/,
                    const Matrix& out,
                    const Matrix& out_gradient,
                    Matrix* in_gradient,
                    Gradients* /*gradients*/) {
  in_gradient->Resize(out.rows(), out.columns());
  std::transform(out.values().begin(),
                 out.values().end(),
                 out_gradient.values().begin(),
                 in_gradient->values().begin(),
                 [](float value, float gradient) { return value > 0.0F ? gradient : 0.0F; });
}

Dropout::Dropout(float rate, uint64_t seed)
    : seed_(seed),
      drop_below_(static_cast<uint32_t>(std::lround(rate * 65536.0F))),
      scale_(65536.0F / (65536.0F - static_cast<float>(drop_below_))) {
  FRESHET_CHECK(drop_below_ < 65536);
}

// A draw of 64 bits decides four elements.
void Dropout::Apply(uint64_t stream_step, const Matrix& in, Matrix* out) const {
  out->Resize(in.rows(), in.columns());
  const uint64_t start = SplitMix64(seed_ ^ SplitMix64(stream_step));
  const std::span<const float> from = in.values();
  const std::span<float> to = out->values();
  uint64_t draw = 0;
  for (size_t i = 0; i < from.size(); ++i, draw >>= 16U) {
    if (i % 4 == 0) {
      draw = SplitMix64(start + i);
    }
    to[i] = (draw & 0xffffU) < drop_below_ ? 0.0F : from[i] * scale_;
  }
}

void Dropout::Forward(const Pass& pass, const Matrix& in, Matrix* out) {
  if (pass.training) {
    Apply(pass.stream_step, in, out);
  } else {
    out->Resize(in.rows(), in.columns());
    std::copy(in.values().begin(), in.values().end(), out->values().begin());
  }
}

void Dropout::Backward(const Pass& pass,
                       const Matrix& /*in*/,
                       const Matrix& /*out*/,
                       const Matrix& out_gradient,
                       Matrix* in_gradient,
                       Gradients* /*gradients*/) {
  Apply(pass.stream_step, out_gradient, in_gradient);
}

}  // namespace freshet
