#include "common/model/wide_deep.h"

#include "common/model/dense/deep_model.h"
#include "common/model/dense/mlp.h"
#include "common/model/dense/slot_pooling.h"

namespace freshet {
namespace {

constexpr uint32_t kLinear = 1;  // floats of a row before its vector

class WideDeepModel final : public DeepModel {
 public:
  explicit WideDeepModel(const proto::ModelSpec& spec)
      : dim_(kLinear + spec.factors()),
        pooling_(static_cast<uint32_t>(spec.slots_size()), dim_, spec.factors()),
        mlp_(spec, "deep", pooling_.width()) {}

  bool ScoresAsItTrains() const override { return !mlp_.trains_otherwise(); }

 private:
  void Run(const Batch& batch, const Pass& pass, std::span<float> logits) override {
    const SparseInput& input = batch.inputs[0];
    const float* table = pass.parameters.embeddings[0].data();
    for (size_t sample = 0; sample < batch.size(); ++sample) {
      logits[sample] = pass.parameters.dense[0][0];
      for (uint32_t e = input.sample_begin[sample]; e < input.sample_begin[sample + 1]; ++e) {
        logits[sample] += table[size_t{input.rows[e]} * dim_] * input.values[e];
      }
    }
    pooled_ = &pooling_.Forward(batch, pass.parameters);
    AddOutputs(mlp_.Forward(pass, *pooled_), logits);
  }

  void Learn(const Batch& batch,
             const Pass& pass,
             const Matrix& logit_gradients,
             Gradients* gradients) override {
    const SparseInput& input = batch.inputs[0];
    float* table = gradients->embeddings[0].data();
    for (size_t sample = 0; sample < batch.size(); ++sample) {
      const float gradient = logit_gradients.values()[sample];
      gradients->dense[0][0] += gradient;
      for (uint32_t e = input.sample_begin[sample]; e < input.sample_begin[sample + 1]; ++e) {
        table[size_t{input.rows[e]} * dim_] += gradient * input.values[e];
      }
    }
    pooling_.Backward(batch, mlp_.Backward(pass, *pooled_, logit_gradients, gradients), gradients);
  }

  const uint32_t dim_;
  SlotPooling pooling_;
  Mlp mlp_;
  const Matrix* pooled_ = nullptr;  // of the last Run
};

}  // namespace

const ModelKind kWideDeepKind = {
    .name = "wide_deep",
    .has_factors = true,
    .has_mlp = true,
    .declare =
        [](const ModelSettings& settings, proto::ModelSpec* spec) {
          DeclareFactors(kLinear, settings, spec);
          DeclareBias(settings, spec);
          Mlp::Declare("deep", PooledWidth(*spec), settings.mlp, DenseOf(settings), spec);
        },
    .make = [](const proto::ModelSpec& spec) -> std::unique_ptr<Model> {
      return std::make_unique<WideDeepModel>(spec);
    },
};

}  // namespace freshet
