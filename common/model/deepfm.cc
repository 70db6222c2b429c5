#include "common/model/deepfm.h"

#include "common/model/dense/beside_mlp.h"
#include "common/model/fm.h"

namespace freshet {

const ModelKind kDeepFmKind = {
    .name = "deepfm",
    .has_factors = true,
    .has_mlp = true,
    .declare =
        [](const ModelSettings& settings, proto::ModelSpec* spec) {
          DeclareFactors(kFmFactors, settings, spec);
          DeclareBias(settings, spec);
          DeclareBesideMlp(DenseOf(settings), spec);
        },
    .make =
        [](const proto::ModelSpec& spec) {
          return MakeBesideMlp(MakeFmModel(spec.factors()), spec);
        },
};

}  // namespace freshet
