#include "common/model/dcn.h"

#include <algorithm>

#include "common/model/dense/cross_network.h"
#include "common/model/dense/deep_model.h"
#include "common/model/dense/mlp.h"
#include "common/model/dense/slot_pooling.h"

namespace freshet {
namespace {

CrossNetwork::Shape CrossShape(const proto::ModelSpec& spec) {
  return {.width = PooledWidth(spec), .layers = spec.cross_layers(), .rank = spec.cross_rank()};
}

DenseLayer::Shape OutputShape(const proto::ModelSpec& spec) {
  return {.inputs = PooledWidth(spec), .outputs = 1, .bias = false};
}

class DcnModel final : public DeepModel {
 public:
  explicit DcnModel(const proto::ModelSpec& spec)
      : pooling_(static_cast<uint32_t>(spec.slots_size()), spec.factors(), spec.factors()),
        cross_(spec, "cross", CrossShape(spec)),
        cross_output_(spec, "cross/out", OutputShape(spec)),
        mlp_(spec, "deep", pooling_.width()) {}

  bool ScoresAsItTrains() const override { return !mlp_.trains_otherwise(); }

 private:
  void Run(const Batch& batch, const Pass& pass, std::span<float> logits) override {
    std::fill(logits.begin(), logits.end(), pass.parameters.dense[0][0]);
    pooled_ = &pooling_.Forward(batch, pass.parameters);
    crossed_ = &cross_.Forward(pass, *pooled_);
    cross_output_.Forward(pass, *crossed_, &output_);
    AddOutputs(output_, logits);
    AddOutputs(mlp_.Forward(pass, *pooled_), logits);
  }

  void Learn(const Batch& batch,
             const Pass& pass,
             const Matrix& logit_gradients,
             Gradients* gradients) override {
    for (const float gradient : logit_gradients.values()) {
      gradients->dense[0][0] += gradient;
    }
    cross_output_.Backward(
        pass, *crossed_, output_, logit_gradients, &crossed_gradient_, gradients);
    pooling_.Backward(
        batch, cross_.Backward(pass, *pooled_, crossed_gradient_, gradients), gradients);
    pooling_.Backward(batch, mlp_.Backward(pass, *pooled_, logit_gradients, gradients), gradients);
  }

  SlotPooling pooling_;
  CrossNetwork cross_;
  DenseLayer cross_output_;
  Mlp mlp_;
  // Of the last Run.
  const Matrix* pooled_ = nullptr;
  const Matrix* crossed_ = nullptr;
  Matrix output_;
  Matrix crossed_gradient_;
};

}  // namespace

const ModelKind kDcnKind = {
    .name = "dcn",
    .has_factors = true,
    .has_mlp = true,
    .has_cross = true,
    .declare =
        [](const ModelSettings& settings, proto::ModelSpec* spec) {
          DeclareFactors(0, settings, spec);
          DeclareBias(settings, spec);
          const DenseSettings dense = DenseOf(settings);
          CrossNetwork::Declare("cross", CrossShape(*spec), dense, spec);
          DenseLayer::Declare("cross/out", OutputShape(*spec), dense, spec);
          Mlp::Declare("deep", PooledWidth(*spec), settings.mlp, dense, spec);
        },
    .make = [](const proto::ModelSpec& spec) -> std::unique_ptr<Model> {
      return std::make_unique<DcnModel>(spec);
    },
};

}  // namespace freshet
