#pragma once
#include <algorithm>

#include "common/model/dense/layer.h"
#include "common/model/model.h"

namespace freshet {

// What models made of layers have in common: training and scoring are one function of the pass.
class DeepModel : public Model {
 public:
  void Score(const Batch& batch, const Parameters& parameters, std::span<float> logits) final {
    Run(batch, {.parameters = parameters}, logits);
  }

  void Forward(const Batch& batch, const Parameters& parameters, std::span<float> logits) final {
    Run(batch, TrainingPass(batch, parameters), logits);
  }

  void Backward(const Batch& batch,
                const Parameters& parameters,
                std::span<const float> logit_gradients,
                Gradients* gradients) final {
    logit_gradients_.Resize(logit_gradients.size(), 1);
    std::copy(logit_gradients.begin(), logit_gradients.end(), logit_gradients_.values().begin());
    Learn(batch, TrainingPass(batch, parameters), logit_gradients_, gradients);
  }

 private:
  // As Forward, or as Score if the pass is none of training.
  virtual void Run(const Batch& batch, const Pass& pass, std::span<float> logits) = 0;
  // As Backward; logit_gradients [samples, 1].
  virtual void Learn(const Batch& batch,
                     const Pass& pass,
                     const Matrix& logit_gradients,
                     Gradients* gradients) = 0;

  static Pass TrainingPass(const Batch& batch, const Parameters& parameters) {
    return {.parameters = parameters, .training = true, .stream_step = batch.stream_step};
  }

  Matrix logit_gradients_;
};

// logits += outputs [samples, 1]
inline void AddOutputs(const Matrix& outputs, std::span<float> logits) {
  for (size_t sample = 0; sample < logits.size(); ++sample) {
    logits[sample] += outputs.values()[sample];
  }
}

}  // namespace freshet
