#pragma once
#include "common/model/kind.h"

// DeepFM (Guo et al., IJCAI 2017): logit = fm(x) + mlp(v), v the features' vectors, pooled by slot.
// Both parts share the rows of fm: the linear weight and k factors.
namespace freshet {

extern const ModelKind kDeepFmKind;

}  // namespace freshet
