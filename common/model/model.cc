#include "common/model/model.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <string_view>

#include "common/model/feature_policy.h"
#include "common/model/fm.h"
#include "common/model/ledger.h"
#include "common/model/lr.h"

namespace freshet {
namespace {

constexpr uint32_t kMaxFactors = 4096;
constexpr size_t kMaxSlots = 65535;  // a feature names its slot in 16 bits

constexpr std::array<std::string_view, 3> kKinds = {"lr", "fm", "ledger"};

// Levenshtein, with two rows of the table.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) {
    row[j] = j;
  }
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({replaced, row[j] + 1, row[j - 1] + 1}));
    }
  }
  return row.back();
}

Status UnknownKind(const std::string& kind) {
  const auto* nearest = std::min_element(
      kKinds.begin(), kKinds.end(), [&kind](std::string_view a, std::string_view b) {
        return EditDistance(kind, a) < EditDistance(kind, b);
      });
  return InvalidArgument(
      "model kind \"{}\" is unknown, did you mean \"{}\"? There are lr, fm and ledger",
      kind,
      *nearest);
}

// Name and dim of the embedding variable that a model of this kind has.
struct Layout {
  std::string variable;
  uint32_t dim = 0;
  bool bias = true;
};

StatusOr<Layout> LayoutOf(const std::string& kind, uint32_t factors) {
  if (kind == "lr") {
    return Layout{.variable = "weights", .dim = 1};
  }
  if (kind == "ledger") {
    return Layout{.variable = "ledger", .dim = kLedgerDim, .bias = false};
  }
  if (kind != "fm") {
    return UnknownKind(kind);
  }
  if (factors == 0 || factors > kMaxFactors) {
    return InvalidArgument("model fm: factors is {}, it must be 1 to {}", factors, kMaxFactors);
  }
  return Layout{.variable = "factors", .dim = FmDim(factors)};
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

void AddInitializers(const ModelSettings& settings, proto::EmbeddingVariable* variable) {
  proto::Initializer* linear = variable->add_initializers();
  linear->set_kind(proto::Initializer::ZEROS);
  if (settings.kind == "fm") {
    linear->set_columns(1);
    proto::Initializer* factors = variable->add_initializers();
    factors->set_kind(proto::Initializer::NORMAL);
    factors->set_scale(settings.init_stddev);
  }
}

void AddBias(const ModelSettings& settings, proto::ModelSpec* spec) {
  proto::DenseVariable* bias = spec->add_dense_variables();
  bias->set_name("bias");
  bias->add_shape(1);
  bias->mutable_initializer()->set_kind(proto::Initializer::ZEROS);
  bias->set_seed(settings.seed);
  *bias->mutable_optimizer() = settings.dense_optimizer;
}

}  // namespace

StatusOr<std::unique_ptr<Model>> MakeModel(const proto::ModelSpec& spec) {
  FRESHET_ASSIGN_OR_RETURN(const Layout layout, LayoutOf(spec.kind(), spec.factors()));
  if (spec.embedding_variables_size() != 1 || spec.embedding_variables(0).dim() != layout.dim) {
    return InvalidArgument(
        "model {}: it must have one embedding variable of dim {}", spec.kind(), layout.dim);
  }
  if (spec.dense_variables_size() != (layout.bias ? 1 : 0)) {
    return InvalidArgument("model {}: it has {} dense variables, it must have {}",
                           spec.kind(),
                           spec.dense_variables_size(),
                           layout.bias ? 1 : 0);
  }
  if (spec.kind() == "lr") {
    return MakeLrModel();
  }
  return spec.kind() == "fm" ? MakeFmModel(spec.factors()) : MakeLedgerModel();
}

StatusOr<proto::ModelSpec> DeclareModel(const ModelSettings& settings,
                                        std::vector<proto::Slot> slots) {
  FRESHET_ASSIGN_OR_RETURN(const Layout layout, LayoutOf(settings.kind, settings.factors));
  FRESHET_RETURN_IF_ERROR(CheckSlots(slots));
  if (!std::isfinite(settings.init_stddev) || settings.init_stddev < 0.0F) {
    return InvalidArgument("init_stddev is {}, it must not be negative", settings.init_stddev);
  }
  proto::ModelSpec spec;
  spec.set_kind(settings.kind);
  if (settings.kind == "fm") {
    spec.set_factors(settings.factors);
  }
  for (proto::Slot& slot : slots) {
    *spec.add_slots() = std::move(slot);
  }
  proto::EmbeddingVariable* variable = spec.add_embedding_variables();
  variable->set_name(layout.variable);
  variable->set_dim(layout.dim);
  variable->set_seed(settings.seed);
  AddInitializers(settings, variable);
  FRESHET_RETURN_IF_ERROR(AddPolicy(settings, spec.slots_size(), variable));
  if (settings.kind == "ledger") {
    variable->mutable_optimizer()->mutable_ledger();
    return spec;
  }
  FRESHET_RETURN_IF_ERROR(CheckOptimizer("optimizer", settings.optimizer));
  FRESHET_RETURN_IF_ERROR(CheckOptimizer("dense_optimizer", settings.dense_optimizer));
  *variable->mutable_optimizer() = settings.optimizer;
  AddBias(settings, &spec);
  return spec;
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
