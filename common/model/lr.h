#pragma once
#include <memory>

#include "common/model/kind.h"
#include "common/model/model.h"

namespace freshet {

// Logistic regression: logit = bias + sum of w_i x_i. One embedding variable of dim 1, one dense
// variable of one element.
std::unique_ptr<Model> MakeLrModel();

extern const ModelKind kLrKind;

}  // namespace freshet
