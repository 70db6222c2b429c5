#pragma once
#include "common/model/kind.h"

// DCN-v2, parallel structure (Wang et al., WWW 2021): logit = bias + <w, cross(v)> + mlp(v), v the
// features' vectors, pooled by slot. A row is a vector of k factors.
namespace freshet {

extern const ModelKind kDcnKind;

}  // namespace freshet
