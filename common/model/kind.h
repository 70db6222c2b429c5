#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "common/model/dense/variables.h"
#include "common/model/model.h"

namespace freshet {

// What the program knows of one kind of model. A new kind is a file that defines one of these, and
// a line in kinds.cc; docs/models.md shows how.
struct ModelKind {
  std::string_view name;
  // Which settings it has, beside those of all kinds.
  bool has_factors = false;
  bool has_mlp = false;
  bool has_cross = false;
  // Adds the variables to a spec that has its kind, its settings and its slots. The embedding
  // variable's optimizer, value type and policy are added by the caller.
  void (*declare)(const ModelSettings& settings, proto::ModelSpec* spec) = nullptr;
  // Of a spec whose variables are those declared.
  std::unique_ptr<Model> (*make)(const proto::ModelSpec& spec) = nullptr;
};

// InvalidArgument names the nearest.
StatusOr<const ModelKind*> FindKind(const std::string& name);

// ---- for declare

// The embedding variable, its rows zeros.
void DeclareRows(const std::string& name,
                 uint32_t dim,
                 const ModelSettings& settings,
                 proto::ModelSpec* spec);
// The same, "factors" [zeros + k]: so many zeros, then k factors that begin at random.
void DeclareFactors(uint32_t zeros, const ModelSettings& settings, proto::ModelSpec* spec);
// The dense variable "bias" [1]. The first dense one of a model that has it.
void DeclareBias(const ModelSettings& settings, proto::ModelSpec* spec);

DenseSettings DenseOf(const ModelSettings& settings);

}  // namespace freshet
