#include <array>
#include <string>
#include <vector>

#include "common/config/nearest.h"
#include "common/model/dcn.h"
#include "common/model/deepfm.h"
#include "common/model/fm.h"
#include "common/model/kind.h"
#include "common/model/ledger.h"
#include "common/model/lr.h"
#include "common/model/wide_deep.h"

namespace freshet {
namespace {

const std::array<const ModelKind*, 6> kKinds = {
    &kLrKind, &kFmKind, &kWideDeepKind, &kDeepFmKind, &kDcnKind, &kLedgerKind};

}  // namespace

StatusOr<const ModelKind*> FindKind(const std::string& name) {
  std::vector<std::string> known;
  for (const ModelKind* kind : kKinds) {
    if (kind->name == name) {
      return kind;
    }
    known.emplace_back(kind->name);
  }
  return InvalidArgument("model kind \"{}\" is unknown; {}", name, Suggestion(name, known));
}

void DeclareRows(const std::string& name,
                 uint32_t dim,
                 const ModelSettings& settings,
                 proto::ModelSpec* spec) {
  proto::EmbeddingVariable* variable = spec->add_embedding_variables();
  variable->set_name(name);
  variable->set_dim(dim);
  variable->set_seed(settings.seed);
  variable->add_initializers()->set_kind(proto::Initializer::ZEROS);
}

void DeclareFactors(uint32_t zeros, const ModelSettings& settings, proto::ModelSpec* spec) {
  DeclareRows("factors", zeros + settings.factors, settings, spec);
  proto::EmbeddingVariable* variable = spec->mutable_embedding_variables(0);
  if (zeros == 0) {
    variable->clear_initializers();
  } else {
    variable->mutable_initializers(0)->set_columns(zeros);
  }
  proto::Initializer* factors = variable->add_initializers();
  factors->set_kind(proto::Initializer::NORMAL);
  factors->set_scale(settings.init_stddev);
}

void DeclareBias(const ModelSettings& settings, proto::ModelSpec* spec) {
  DeclareZeros("bias", {1}, DenseOf(settings), spec);
}

DenseSettings DenseOf(const ModelSettings& settings) {
  return {.seed = settings.seed, .optimizer = settings.dense_optimizer};
}

}  // namespace freshet
