#include "common/model/wide_deep.h"

#include "common/model/dense/beside_mlp.h"
#include "common/model/lr.h"

namespace freshet {
namespace {

constexpr uint32_t kLinear = 1;  // floats of a row before its vector

}  // namespace

const ModelKind kWideDeepKind = {
    .name = "wide_deep",
    .has_factors = true,
    .has_mlp = true,
    .declare =
        [](const ModelSettings& settings, proto::ModelSpec* spec) {
          DeclareFactors(kLinear, settings, spec);
          DeclareBias(settings, spec);
          DeclareBesideMlp(DenseOf(settings), spec);
        },
    .make =
        [](const proto::ModelSpec& spec) {
          return MakeBesideMlp(MakeLrModel(kLinear + spec.factors()), spec);
        },
};

}  // namespace freshet
