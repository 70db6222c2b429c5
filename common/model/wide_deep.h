#pragma once
#include "common/model/kind.h"

// Wide & Deep (Cheng et al., DLRS 2016): logit = bias + sum of w_i x_i + mlp(v), v the features'
// vectors, pooled by slot. Rows as fm's: the linear weight and k factors.
namespace freshet {

extern const ModelKind kWideDeepKind;

}  // namespace freshet
