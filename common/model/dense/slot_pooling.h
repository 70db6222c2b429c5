#pragma once
#include <cstdint>

#include "common/model/batch.h"
#include "common/model/dense/matrix.h"
#include "proto/model.pb.h"

namespace freshet {

// Slots times factors.
inline uint32_t PooledWidth(const proto::ModelSpec& spec) {
  return static_cast<uint32_t>(spec.slots_size()) * spec.factors();
}

// The dense input of a deep model: for each sample and slot the sum, over the sample's features in
// that slot, of value times the feature's vector; slots side by side, zeros where there is none.
class SlotPooling {
 public:
  // Rows of `dim` floats, whose last `factors` are the vector.
  SlotPooling(uint32_t slots, uint32_t dim, uint32_t factors)
      : slots_(slots), dim_(dim), factors_(factors) {}

  uint32_t width() const { return slots_ * factors_; }

  // [samples, slots * factors], valid until the next call.
  const Matrix& Forward(const Batch& batch, const Parameters& parameters);
  void Backward(const Batch& batch, const Matrix& pooled_gradient, Gradients* gradients) const;

 private:
  const uint32_t slots_;
  const uint32_t dim_;
  const uint32_t factors_;
  Matrix pooled_;
};

}  // namespace freshet
