#include "common/job/deep_config.h"

#include <fmt/format.h>

#include <cmath>

#include "common/model/deep_limits.h"
#include "common/model/kind.h"

namespace freshet {
namespace {

void ReadHidden(const ConfigSection& section, proto::Mlp* mlp) {
  std::vector<double> hidden = {128.0, 64.0};
  section.Optional("hidden", &hidden);
  for (const double units : hidden) {
    if (!(units >= 1.0 && units <= double{kMaxUnits}) || units != std::floor(units)) {
      section.Fail("hidden",
                   fmt::format("must list whole numbers from 1 to {}, got {}", kMaxUnits, units));
      return;
    }
    mlp->add_hidden(static_cast<uint32_t>(units));
  }
}

// A key that the kind has no use for would be forgotten in silence.
void RefuseKeys(const ConfigSection& section,
                const std::string& kind,
                std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    if (section.Has(key)) {
      section.Fail(key, fmt::format("is no setting of a model of kind {}", kind));
    }
  }
}

}  // namespace

void ReadDeepSettings(const ConfigSection& section, ModelSettings* model) {
  const StatusOr<const ModelKind*> kind = FindKind(model->kind);
  if (!kind.ok()) {
    return;  // told elsewhere
  }
  if ((*kind)->has_mlp) {
    ReadHidden(section, &model->mlp);
    size_t normalization = 0;
    section.Choice("normalization", {"none", "batch", "layer"}, &normalization);
    model->mlp.set_normalization(static_cast<proto::Mlp::Normalization>(normalization));
    float dropout = 0.0F;
    section.InRange("dropout", 0.0F, kMaxDropout, &dropout);
    model->mlp.set_dropout(dropout);
  } else {
    RefuseKeys(section, model->kind, {"hidden", "normalization", "dropout"});
  }
  if ((*kind)->has_cross) {
    section.InRange("cross_layers", 1U, kMaxLayers, &model->cross_layers);
    section.InRange("cross_rank", 0U, kMaxUnits, &model->cross_rank);
  } else {
    RefuseKeys(section, model->kind, {"cross_layers", "cross_rank"});
  }
}

}  // namespace freshet
