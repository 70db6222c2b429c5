#pragma once
#include <memory>

#include "common/model/dense/variables.h"
#include "common/model/model.h"

namespace freshet {

// logit = shallow model + mlp(v), v the features' vectors, pooled by slot. Both share the rows:
// what the shallow model has at their front, and the vectors at their end. `shallow` scores as it
// trains.
std::unique_ptr<Model> MakeBesideMlp(std::unique_ptr<Model> shallow, const proto::ModelSpec& spec);

// The perceptron's variables, of a spec that has its settings and slots.
void DeclareBesideMlp(const DenseSettings& settings, proto::ModelSpec* spec);

}  // namespace freshet
