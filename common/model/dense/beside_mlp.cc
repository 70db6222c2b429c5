#include "common/model/dense/beside_mlp.h"

#include <utility>

#include "common/model/dense/deep_model.h"
#include "common/model/dense/mlp.h"
#include "common/model/dense/slot_pooling.h"

namespace freshet {
namespace {

constexpr const char* kName = "deep";

class BesideMlp final : public DeepModel {
 public:
  BesideMlp(std::unique_ptr<Model> shallow, const proto::ModelSpec& spec)
      : shallow_(std::move(shallow)),
        pooling_(static_cast<uint32_t>(spec.slots_size()),
                 spec.embedding_variables(0).dim(),
                 spec.factors()),
        mlp_(spec, kName, pooling_.width()) {}

  bool ScoresAsItTrains() const override { return !mlp_.trains_otherwise(); }

 private:
  void Run(const Batch& batch, const Pass& pass, std::span<float> logits) override {
    shallow_->Forward(batch, pass.parameters, logits);
    pooled_ = &pooling_.Forward(batch, pass.parameters);
    AddOutputs(mlp_.Forward(pass, *pooled_), logits);
  }

  void Learn(const Batch& batch,
             const Pass& pass,
             const Matrix& logit_gradients,
             Gradients* gradients) override {
    shallow_->Backward(batch, pass.parameters, logit_gradients.values(), gradients);
    pooling_.Backward(batch, mlp_.Backward(pass, *pooled_, logit_gradients, gradients), gradients);
  }

  const std::unique_ptr<Model> shallow_;
  SlotPooling pooling_;
  Mlp mlp_;
  const Matrix* pooled_ = nullptr;  // of the last Run
};

}  // namespace

std::unique_ptr<Model> MakeBesideMlp(std::unique_ptr<Model> shallow, const proto::ModelSpec& spec) {
  return std::make_unique<BesideMlp>(std::move(shallow), spec);
}

void DeclareBesideMlp(const DenseSettings& settings, proto::ModelSpec* spec) {
  Mlp::Declare(kName, PooledWidth(*spec), spec->mlp(), settings, spec);
}

}  // namespace freshet
