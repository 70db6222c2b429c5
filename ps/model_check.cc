#include "ps/model_check.h"

#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include "common/model/feature_policy.h"
#include "ps/optimizer/ledger.h"
#include "ps/optimizer/optimizer_check.h"

namespace freshet::ps {
namespace {

Status CheckInitializer(const std::string& where, const proto::Initializer& initializer) {
  if (!proto::Initializer::Kind_IsValid(initializer.kind())) {
    return InvalidArgument("{}: initializer {} is unknown", where, int{initializer.kind()});
  }
  if (!std::isfinite(initializer.scale())) {
    return InvalidArgument("{}: the scale of an initializer is not finite", where);
  }
  if (initializer.scale() < 0 && initializer.kind() != proto::Initializer::CONSTANT) {
    return InvalidArgument(
        "{}: the scale of an initializer is {}, must be at least 0", where, initializer.scale());
  }
  return absl::OkStatus();
}

bool TakesRows(const proto::FeaturePolicy& policy) {
  const auto takes = [](const proto::RowRules& rules) {
    return rules.has_admission() || rules.has_eviction();
  };
  return policy.capacity().max_bytes() > 0 || takes(policy.rules()) ||
         std::any_of(policy.slots().begin(), policy.slots().end(), [&](const auto& slot) {
           return takes(slot.rules());
         });
}

Status CheckLedger(const std::string& where, const proto::EmbeddingVariable& variable) {
  proto::Optimizer bare;
  bare.mutable_ledger();
  if (variable.optimizer().ByteSizeLong() != bare.ByteSizeLong()) {
    return InvalidArgument("{}: a ledger has no settings: it adds integers", where);
  }
  if (variable.dim() != kLedgerDim) {
    return InvalidArgument("{}: a ledger has dim {}, not {}", where, kLedgerDim, variable.dim());
  }
  for (const proto::Initializer& initializer : variable.initializers()) {
    if (initializer.kind() != proto::Initializer::ZEROS) {
      return InvalidArgument("{}: a ledger begins at zero, it takes no other initializer", where);
    }
  }
  if (variable.value_type() != proto::F32) {
    return InvalidArgument("{}: value_type is {}, a ledger has F32: it needs each of its bits",
                           where,
                           proto::ValueType_Name(variable.value_type()));
  }
  // It is there to count each sample once; a row that begins late or goes would hide a lost one.
  if (TakesRows(variable.policy())) {
    return InvalidArgument(
        "{}: a ledger takes no rules of admission or eviction: it counts every sample", where);
  }
  return absl::OkStatus();
}

Status CheckLifeOfFeatures(const std::string& where,
                           const proto::EmbeddingVariable& variable,
                           uint32_t slot_count) {
  FRESHET_RETURN_IF_ERROR(Annotate(CheckFeaturePolicy(variable.policy(), slot_count), where));
  const uint64_t max_bytes = variable.policy().capacity().max_bytes();
  const uint64_t value_bytes =
      variable.dim() * (variable.value_type() == proto::F32 ? sizeof(float) : sizeof(uint16_t));
  if (max_bytes > 0 && max_bytes < value_bytes) {
    return InvalidArgument("{}: eviction.max_bytes is {}, the value of one row alone takes {}",
                           where,
                           max_bytes,
                           value_bytes);
  }
  return absl::OkStatus();
}

Status CheckEmbedding(const std::string& where,
                      const proto::EmbeddingVariable& variable,
                      uint32_t slot_count) {
  if (variable.dim() == 0 || variable.dim() > kMaxDim) {
    return InvalidArgument("{}: dim is {}, must be 1 to {}", where, variable.dim(), kMaxDim);
  }
  uint64_t columns = 0;
  for (const proto::Initializer& initializer : variable.initializers()) {
    FRESHET_RETURN_IF_ERROR(CheckInitializer(where, initializer));
    columns += initializer.columns();
  }
  if (columns > variable.dim()) {
    return InvalidArgument(
        "{}: the initializers fill {} columns of {}", where, columns, variable.dim());
  }
  FRESHET_RETURN_IF_ERROR(CheckOptimizer(where, variable.optimizer()));
  if (!proto::ValueType_IsValid(variable.value_type())) {
    return InvalidArgument("{}: value_type {} is unknown", where, int{variable.value_type()});
  }
  FRESHET_RETURN_IF_ERROR(CheckLifeOfFeatures(where, variable, slot_count));
  return variable.optimizer().has_ledger() ? CheckLedger(where, variable) : absl::OkStatus();
}

Status CheckDense(const std::string& where, const proto::DenseVariable& variable) {
  uint64_t elements = 1;
  for (const uint32_t extent : variable.shape()) {
    if (extent == 0 || elements * extent > kMaxDenseElements) {
      return InvalidArgument(
          "{}: the shape must have 1 to {} elements", where, uint64_t{kMaxDenseElements});
    }
    elements *= extent;
  }
  FRESHET_RETURN_IF_ERROR(CheckInitializer(where, variable.initializer()));
  if (variable.optimizer().has_ledger()) {
    return InvalidArgument("{}: only an embedding variable can be a ledger", where);
  }
  return CheckOptimizer(where, variable.optimizer());
}

}  // namespace

Status CheckModel(const proto::ModelSpec& model) {
  std::set<std::string> names;
  for (const proto::EmbeddingVariable& variable : model.embedding_variables()) {
    const std::string where = "embedding variable " + variable.name();
    FRESHET_RETURN_IF_ERROR(
        CheckEmbedding(where, variable, static_cast<uint32_t>(model.slots_size())));
    if (variable.name().empty() || !names.insert(variable.name()).second) {
      return InvalidArgument("{}: the name is empty or taken by another variable", where);
    }
  }
  for (const proto::DenseVariable& variable : model.dense_variables()) {
    const std::string where = "dense variable " + variable.name();
    FRESHET_RETURN_IF_ERROR(CheckDense(where, variable));
    if (variable.name().empty() || !names.insert(variable.name()).second) {
      return InvalidArgument("{}: the name is empty or taken by another variable", where);
    }
  }
  return absl::OkStatus();
}

Status CheckSameModel(const proto::ModelSpec& declared, const proto::ModelSpec& other) {
  google::protobuf::util::MessageDifferencer differencer;
  std::string differences;
  differencer.ReportDifferencesToString(&differences);
  if (differencer.Compare(declared, other)) {
    return absl::OkStatus();
  }
  return FailedPrecondition(
      "this is not the model that the servers hold; a changed model needs a log of its own. What "
      "differs: {}",
      differences);
}

uint32_t ElementsOf(const proto::DenseVariable& variable) {
  uint32_t elements = 1;
  for (const uint32_t extent : variable.shape()) {
    elements *= extent;
  }
  return elements;
}

}  // namespace freshet::ps
