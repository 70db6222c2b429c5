#include "serving/scorer.h"

#include <cstddef>

namespace freshet::serving {

FmSide SumFeatures(const Snapshot& snapshot, std::span<const Feature> features) {
  FmSide side(snapshot.schema()->factors());
  const RowTable& table = snapshot.weights().table(0);
  for (const Feature& feature : features) {
    if (const std::span<const float> row = table.Find(feature.key); !row.empty()) {
      side.Add(row, feature.value);
    }
  }
  return side;
}

Scorer::Scorer(const Snapshot& snapshot, std::span<const Feature> context)
    : snapshot_(snapshot),
      context_(SumFeatures(snapshot, context)),
      constant_(snapshot.weights().dense(0)[0] + context_.Bias()) {}

float Scorer::Logit(std::span<const Feature> item) const {
  const FmSide side = SumFeatures(snapshot_, item);
  float logit = constant_ + side.Bias();
  for (size_t f = 0; f < query().size(); ++f) {
    logit += query()[f] * side.vector()[f];
  }
  return logit;
}

}  // namespace freshet::serving
