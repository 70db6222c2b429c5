#include "common/model/deepfm.h"

#include "common/model/dense/deep_model.h"
#include "common/model/dense/mlp.h"
#include "common/model/dense/slot_pooling.h"
#include "common/model/fm.h"

namespace freshet {
namespace {

class DeepFmModel final : public DeepModel {
 public:
  explicit DeepFmModel(const proto::ModelSpec& spec)
      : fm_(MakeFmModel(spec.factors())),
        pooling_(static_cast<uint32_t>(spec.slots_size()), FmDim(spec.factors()), spec.factors()),
        mlp_(spec, "deep", pooling_.width()) {}

  bool ScoresAsItTrains() const override { return !mlp_.trains_otherwise(); }

 private:
  void Run(const Batch& batch, const Pass& pass, std::span<float> logits) override {
    fm_->Forward(batch, pass.parameters, logits);
    pooled_ = &pooling_.Forward(batch, pass.parameters);
    AddOutputs(mlp_.Forward(pass, *pooled_), logits);
  }

  void Learn(const Batch& batch,
             const Pass& pass,
             const Matrix& logit_gradients,
             Gradients* gradients) override {
    fm_->Backward(batch, pass.parameters, logit_gradients.values(), gradients);
    pooling_.Backward(batch, mlp_.Backward(pass, *pooled_, logit_gradients, gradients), gradients);
  }

  const std::unique_ptr<Model> fm_;
  SlotPooling pooling_;
  Mlp mlp_;
  const Matrix* pooled_ = nullptr;  // of the last Run
};

}  // namespace

const ModelKind kDeepFmKind = {
    .name = "deepfm",
    .has_factors = true,
    .has_mlp = true,
    .declare =
        [](const ModelSettings& settings, proto::ModelSpec* spec) {
          DeclareFactors(kFmFactors, settings, spec);
          DeclareBias(settings, spec);
          Mlp::Declare("deep", PooledWidth(*spec), settings.mlp, DenseOf(settings), spec);
        },
    .make = [](const proto::ModelSpec& spec) -> std::unique_ptr<Model> {
      return std::make_unique<DeepFmModel>(spec);
    },
};

}  // namespace freshet
