#include "common/model/lr.h"

#include "common/check.h"

namespace freshet {
namespace {

class LrModel final : public Model {
 public:
  explicit LrModel(size_t dim) : dim_(dim) {}

  void Forward(const Batch& batch, const Parameters& parameters, std::span<float> logits) override {
    const SparseInput& input = batch.inputs[0];
    const float* weights = parameters.embeddings[0].data();
    const float bias = parameters.dense[0][0];
    FRESHET_DCHECK(logits.size() == batch.size());
    for (size_t sample = 0; sample < batch.size(); ++sample) {
      float logit = bias;
      for (uint32_t e = input.sample_begin[sample]; e < input.sample_begin[sample + 1]; ++e) {
        logit += weights[input.rows[e] * dim_] * input.values[e];
      }
      logits[sample] = logit;
    }
  }

  void Backward(const Batch& batch,
                const Parameters& /*parameters*/,
                std::span<const float> logit_gradients,
                Gradients* gradients) override {
    const SparseInput& input = batch.inputs[0];
    float* weights = gradients->embeddings[0].data();
    float bias = 0.0F;
    for (size_t sample = 0; sample < batch.size(); ++sample) {
      const float gradient = logit_gradients[sample];
      bias += gradient;
      for (uint32_t e = input.sample_begin[sample]; e < input.sample_begin[sample + 1]; ++e) {
        weights[input.rows[e] * dim_] += gradient * input.values[e];
      }
    }
    gradients->dense[0][0] += bias;
  }

 private:
  const size_t dim_;
};

}  // namespace

std::unique_ptr<Model> MakeLrModel(uint32_t dim) {
  return std::make_unique<LrModel>(dim);
}

const ModelKind kLrKind = {
    .name = "lr",
    .declare =
        [](const ModelSettings& settings, proto::ModelSpec* spec) {
          DeclareRows("weights", 1, settings, spec);
          DeclareBias(settings, spec);
        },
    .make = [](const proto::ModelSpec& /*spec*/) { return MakeLrModel(); },
};

}  // namespace freshet
