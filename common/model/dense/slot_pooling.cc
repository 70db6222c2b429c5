#include "common/model/dense/slot_pooling.h"

#include <algorithm>

#include "common/check.h"

namespace freshet {

const Matrix& SlotPooling::Forward(const Batch& batch, const Parameters& parameters) {
  const SparseInput& input = batch.inputs[0];
  const float* table = parameters.embeddings[0].data();
  pooled_.Resize(batch.size(), width());
  std::fill(pooled_.values().begin(), pooled_.values().end(), 0.0F);
  for (size_t sample = 0; sample < batch.size(); ++sample) {
    float* pooled = pooled_.Row(sample).data();
    for (uint32_t e = input.sample_begin[sample]; e < input.sample_begin[sample + 1]; ++e) {
      FRESHET_DCHECK(input.slots[e] < slots_);
      const float* vector = table + size_t{input.rows[e]} * dim_ + (dim_ - factors_);
      float* to = pooled + size_t{input.slots[e]} * factors_;
      const float value = input.values[e];
      for (uint32_t f = 0; f < factors_; ++f) {
        to[f] += value * vector[f];
      }
    }
  }
  return pooled_;
}

void SlotPooling::Backward(const Batch& batch,
                           const Matrix& pooled_gradient,
                           Gradients* gradients) const {
  const SparseInput& input = batch.inputs[0];
  float* table = gradients->embeddings[0].data();
  for (size_t sample = 0; sample < batch.size(); ++sample) {
    const float* pooled = pooled_gradient.Row(sample).data();
    for (uint32_t e = input.sample_begin[sample]; e < input.sample_begin[sample + 1]; ++e) {
      float* vector = table + size_t{input.rows[e]} * dim_ + (dim_ - factors_);
      const float* from = pooled + size_t{input.slots[e]} * factors_;
      const float value = input.values[e];
      for (uint32_t f = 0; f < factors_; ++f) {
        vector[f] += value * from[f];
      }
    }
  }
}

}  // namespace freshet
