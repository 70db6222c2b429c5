#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/model/batch.h"
#include "common/status.h"
#include "proto/model.pb.h"

namespace freshet {

// The arithmetic of a model. Workers train with it, serving scores with it.
// One object per thread.
class Model {
 public:
  virtual ~Model() = default;

  // logits [batch.size()]: what the samples are served, and scored before they are learned. It is
  // what Forward says, but for models with dropout or statistics of the batch.
  virtual void Score(const Batch& batch, const Parameters& parameters, std::span<float> logits) {
    Forward(batch, parameters, logits);
  }

  virtual bool ScoresAsItTrains() const { return true; }

  // logits [batch.size()], in training.
  virtual void Forward(const Batch& batch,
                       const Parameters& parameters,
                       std::span<float> logits) = 0;
  // Adds d(sum over samples of loss)/d(parameter) to *gradients, given d(loss)/d(logit) of each
  // sample. Follows the Forward of the same batch.
  virtual void Backward(const Batch& batch,
                        const Parameters& parameters,
                        std::span<const float> logit_gradients,
                        Gradients* gradients) = 0;
};

// InvalidArgument for an unknown kind, naming the nearest.
StatusOr<std::unique_ptr<Model>> MakeModel(const proto::ModelSpec& spec);

// What a worker config says of a model; everything else follows from its kind.
struct ModelSettings {
  std::string kind = "fm";
  uint32_t factors = 8;
  float init_stddev = 0.05F;
  proto::Mlp mlp;             // of kinds with a perceptron
  uint32_t cross_layers = 3;  // dcn
  uint32_t cross_rank = 0;    // dcn; 0: full
  uint64_t seed = 1;
  proto::Optimizer optimizer;
  proto::Optimizer dense_optimizer;
  proto::ValueType value_type = proto::F32;  // of every embedding variable
  proto::FeaturePolicy policy;               // likewise; a ledger has none
};

// Fills in the variables that a model of this kind declares:
//   lr         embedding "weights" [1]
//   fm         embedding "factors" [1 + k]: the linear weight, zero at first, then the factors
//   wide_deep  as fm, and dense "deep/..."
//   deepfm     as wide_deep
//   dcn        embedding "factors" [k], and dense "deep/...", "cross/..."
//   ledger     embedding "ledger" [4]
// and, but for ledger, the dense "bias" [1]. docs/models.md has the formulas.
StatusOr<proto::ModelSpec> DeclareModel(const ModelSettings& settings,
                                        std::vector<proto::Slot> slots);

// What a logit that was trained with some negative samples left out is to be raised by, so that it
// tells the rate among all samples: the logarithm of the share that was kept (He et al. 2014).
float LogitShift(const proto::ModelSpec& model);

// Log loss of a logit, computed without overflow, and the predicted probability.
float Sigmoid(float logit);
float LogLoss(float logit, float label);

}  // namespace freshet
