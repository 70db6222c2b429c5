#pragma once
#include <memory>

#include "common/model/kind.h"
#include "common/model/model.h"

namespace freshet {

// Logistic regression: logit = bias + sum of w_i x_i. The weight is the first of the `dim` floats
// of a row; the bias is the first dense variable.
std::unique_ptr<Model> MakeLrModel(uint32_t dim = 1);

extern const ModelKind kLrKind;

}  // namespace freshet
