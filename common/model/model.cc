#include "common/model/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "common/model/deep_limits.h"
#include "common/model/feature_policy.h"
#include "common/model/kind.h"

namespace freshet {
namespace {

constexpr uint32_t kMaxFactors = 4096;
constexpr size_t kMaxSlots = 65535;  // a feature names its slot in 16 bits

Status CheckMlp(const std::string& kind, const proto::Mlp& mlp) {
  if (mlp.hidden_size() > static_cast<int>(kMaxLayers)) {
    return InvalidArgument(
        "model {}: hidden has {} layers, at most {}", kind, mlp.hidden_size(), kMaxLayers);
  }
  for (const uint32_t units : mlp.hidden()) {
    if (units == 0 || units > kMaxUnits) {
      return InvalidArgument(
          "model {}: a hidden layer has {} units, it must have 1 to {}", kind, units, kMaxUnits);
    }
  }
  if (!(mlp.dropout() >= 0.0F && mlp.dropout() <= kMaxDropout)) {
    return InvalidArgument(
        "model {}: dropout is {}, it must be from 0 to {}", kind, mlp.dropout(), kMaxDropout);
  }
  return absl::OkStatus();
}

Status CheckCross(const ModelSettings& settings) {
  if (settings.cross_layers == 0 || settings.cross_layers > kMaxLayers) {
    return InvalidArgument("model {}: cross_layers is {}, it must be 1 to {}",
                           settings.kind,
                           settings.cross_layers,
                           kMaxLayers);
  }
  if (settings.cross_rank > kMaxUnits) {
    return InvalidArgument("model {}: cross_rank is {}, it must be 0 (full) to {}",
                           settings.kind,
                           settings.cross_rank,
                           kMaxUnits);
  }
  return absl::OkStatus();
}

// What the kind's shape depends on. A pooled input must not be wider than a layer can be.
Status CheckShape(const ModelKind& kind, const ModelSettings& settings, size_t slots) {
  if (kind.has_factors && (settings.factors == 0 || settings.factors > kMaxFactors)) {
    return InvalidArgument("model {}: factors is {}, it must be 1 to {}",
                           settings.kind,
                           settings.factors,
                           kMaxFactors);
  }
  if (!kind.has_mlp) {
    return absl::OkStatus();
  }
  if (slots * settings.factors > kMaxUnits) {
    return InvalidArgument("model {}: {} slots times {} factors are {} inputs, at most {}",
                           settings.kind,
                           slots,
                           settings.factors,
                           slots * settings.factors,
                           kMaxUnits);
  }
  FRESHET_RETURN_IF_ERROR(CheckMlp(settings.kind, settings.mlp));
  return kind.has_cross ? CheckCross(settings) : absl::OkStatus();
}

Status CheckSlots(const std::vector<proto::Slot>& slots) {
  if (slots.empty() || slots.size() > kMaxSlots) {
    return InvalidArgument("a model has 1 to {} slots, this one {}", kMaxSlots, slots.size());
  }
  std::set<std::string> names;
  for (const proto::Slot& slot : slots) {
    if (slot.name().empty()) {
      return InvalidArgument("slot {} has no name", names.size());
    }
    if (!names.insert(slot.name()).second) {
      return InvalidArgument("slot \"{}\" is there twice", slot.name());
    }
  }
  return absl::OkStatus();
}

Status CheckOptimizer(const std::string& name, const proto::Optimizer& optimizer) {
  if (optimizer.kind_case() == proto::Optimizer::KIND_NOT_SET) {
    return InvalidArgument("{} is not set, it must be of one kind, as adagrad", name);
  }
  if (optimizer.has_ledger()) {
    return InvalidArgument("{} is ledger, which only a model of kind ledger has", name);
  }
  return absl::OkStatus();
}

// The life of features; an empty policy stays out of the model and its hash.
Status AddPolicy(const ModelSettings& settings,
                 int slot_count,
                 proto::EmbeddingVariable* variable) {
  const bool has_policy = settings.policy.ByteSizeLong() > 0;
  if (settings.kind == "ledger" && (has_policy || settings.value_type != proto::F32)) {
    return InvalidArgument(
        "model ledger: it takes no admission, eviction or serving_filter, and its value_type is "
        "f32: it counts every sample");
  }
  variable->set_value_type(settings.value_type);
  if (has_policy) {
    FRESHET_RETURN_IF_ERROR(CheckFeaturePolicy(settings.policy, static_cast<uint32_t>(slot_count)));
    *variable->mutable_policy() = settings.policy;
  }
  return absl::OkStatus();
}

// The variables of a model that has its slots, without what the caller adds.
void DeclareShape(const ModelKind& kind, const ModelSettings& settings, proto::ModelSpec* spec) {
  spec->set_kind(settings.kind);
  if (kind.has_factors) {
    spec->set_factors(settings.factors);
  }
  if (kind.has_mlp) {
    *spec->mutable_mlp() = settings.mlp;
  }
  if (kind.has_cross) {
    spec->set_cross_layers(settings.cross_layers);
    spec->set_cross_rank(settings.cross_rank);
  }
  kind.declare(settings, spec);
}

// A model may come from a manifest or another process: its variables must be those that its kind
// and settings declare.
Status CheckVariables(const proto::ModelSpec& spec, const proto::ModelSpec& declared) {
  const std::string& kind = spec.kind();
  if (spec.embedding_variables_size() != 1 ||
      spec.embedding_variables(0).dim() != declared.embedding_variables(0).dim()) {
    return InvalidArgument("model {}: it must have one embedding variable of dim {}",
                           kind,
                           declared.embedding_variables(0).dim());
  }
  if (spec.dense_variables_size() != declared.dense_variables_size()) {
    return InvalidArgument("model {}: it has {} dense variables, it must have {}",
                           kind,
                           spec.dense_variables_size(),
                           declared.dense_variables_size());
  }
  for (int i = 0; i < spec.dense_variables_size(); ++i) {
    const proto::DenseVariable& got = spec.dense_variables(i);
    const proto::DenseVariable& expected = declared.dense_variables(i);
    if (got.name() != expected.name() || !std::equal(got.shape().begin(),
                                                     got.shape().end(),
                                                     expected.shape().begin(),
                                                     expected.shape().end())) {
      return InvalidArgument(
          "model {}: its dense variable {} is \"{}\" [{}], it must be \"{}\" [{}]",
          kind,
          i,
          got.name(),
          fmt::join(got.shape(), ", "),
          expected.name(),
          fmt::join(expected.shape(), ", "));
    }
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<std::unique_ptr<Model>> MakeModel(const proto::ModelSpec& spec) {
  FRESHET_ASSIGN_OR_RETURN(const ModelKind* kind, FindKind(spec.kind()));
  ModelSettings settings;
  settings.kind = spec.kind();
  settings.factors = spec.factors();
  settings.mlp = spec.mlp();
  settings.cross_layers = spec.cross_layers();
  settings.cross_rank = spec.cross_rank();
  FRESHET_RETURN_IF_ERROR(CheckShape(*kind, settings, static_cast<size_t>(spec.slots_size())));
  proto::ModelSpec declared;
  *declared.mutable_slots() = spec.slots();
  DeclareShape(*kind, settings, &declared);
  FRESHET_RETURN_IF_ERROR(CheckVariables(spec, declared));
  return kind->make(spec);
}

StatusOr<proto::ModelSpec> DeclareModel(const ModelSettings& settings,
                                        std::vector<proto::Slot> slots) {
  FRESHET_ASSIGN_OR_RETURN(const ModelKind* kind, FindKind(settings.kind));
  FRESHET_RETURN_IF_ERROR(CheckSlots(slots));
  FRESHET_RETURN_IF_ERROR(CheckShape(*kind, settings, slots.size()));
  if (!std::isfinite(settings.init_stddev) || settings.init_stddev < 0.0F) {
    return InvalidArgument("init_stddev is {}, it must not be negative", settings.init_stddev);
  }
  const bool learns = settings.kind != "ledger";
  if (learns) {
    FRESHET_RETURN_IF_ERROR(CheckOptimizer("optimizer", settings.optimizer));
    FRESHET_RETURN_IF_ERROR(CheckOptimizer("dense_optimizer", settings.dense_optimizer));
  }
  proto::ModelSpec spec;
  for (proto::Slot& slot : slots) {
    *spec.add_slots() = std::move(slot);
  }
  DeclareShape(*kind, settings, &spec);
  proto::EmbeddingVariable* variable = spec.mutable_embedding_variables(0);
  FRESHET_RETURN_IF_ERROR(AddPolicy(settings, spec.slots_size(), variable));
  if (learns) {
    *variable->mutable_optimizer() = settings.optimizer;
  } else {
    variable->mutable_optimizer()->mutable_ledger();
  }
  return spec;
}

float LogitShift(const proto::ModelSpec& model) {
  const double kept = model.negative_sampling();
  return kept > 0.0 && kept < 1.0 ? static_cast<float>(std::log(kept)) : 0.0F;
}

float Sigmoid(float logit) {
  if (logit >= 0.0F) {
    return 1.0F / (1.0F + std::exp(-logit));
  }
  const float e = std::exp(logit);
  return e / (1.0F + e);
}

// -label log p - (1 - label) log(1 - p) = max(logit, 0) - logit label + log(1 + exp(-|logit|))
float LogLoss(float logit, float label) {
  return std::max(logit, 0.0F) - logit * label + std::log1p(std::exp(-std::abs(logit)));
}

}  // namespace freshet
