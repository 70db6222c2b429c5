#include "serving/scorer.h"

#include <algorithm>
#include <cstddef>

#include "common/check.h"
#include "common/model/batch_builder.h"

namespace freshet::serving {
namespace {

Batch BatchOf(std::span<const Feature> context, std::span<const std::span<const Feature>> items) {
  BatchBuilder builder(1);
  Sample sample;
  for (const std::span<const Feature> item : items) {
    sample.features.assign(context.begin(), context.end());
    sample.features.insert(sample.features.end(), item.begin(), item.end());
    builder.Add(sample, 0, 0);
  }
  return builder.Take();
}

// By the arithmetic that training uses.
std::vector<float> ModelLogits(const Snapshot& snapshot,
                               std::span<const Feature> context,
                               std::span<const std::span<const Feature>> items) {
  const proto::ModelSpec& spec = snapshot.schema()->model();
  const Batch batch = BatchOf(context, items);
  const std::vector<Key>& keys = batch.inputs[0].keys;
  const size_t dim = spec.embedding_variables(0).dim();
  std::vector<float> rows(keys.size() * dim, 0.0F);
  for (size_t i = 0; i < keys.size(); ++i) {
    const std::span<const float> row = snapshot.weights().table(0).Find(keys[i]);
    std::copy(row.begin(), row.end(), rows.begin() + static_cast<ptrdiff_t>(i * dim));
  }
  Parameters parameters;
  parameters.embeddings.emplace_back(rows);
  for (int i = 0; i < spec.dense_variables_size(); ++i) {
    parameters.dense.push_back(snapshot.weights().dense(static_cast<size_t>(i)));
  }
  const StatusOr<std::unique_ptr<Model>> model = MakeModel(spec);
  FRESHET_CHECK(model.ok());  // the schema has made one
  std::vector<float> logits(items.size());
  (*model)->Score(batch, parameters, logits);
  return logits;
}

}  // namespace

std::vector<float> LogitsOf(const Snapshot& snapshot,
                            std::span<const Feature> context,
                            std::span<const std::span<const Feature>> items) {
  if (!snapshot.schema()->has_sides()) {
    return ModelLogits(snapshot, context, items);
  }
  const Scorer scorer(snapshot, context);
  std::vector<float> logits;
  logits.reserve(items.size());
  for (const std::span<const Feature> item : items) {
    logits.push_back(scorer.Logit(item));
  }
  return logits;
}

// Where items have sides, they are in the index.
std::vector<float> LogitsOfItems(const Snapshot& snapshot,
                                 std::span<const Feature> context,
                                 std::span<const uint32_t> items) {
  if (!snapshot.schema()->has_sides()) {
    std::vector<std::span<const Feature>> features;
    features.reserve(items.size());
    for (const uint32_t item : items) {
      features.push_back(snapshot.items()->FeaturesOf(item));
    }
    return ModelLogits(snapshot, context, features);
  }
  const Scorer scorer(snapshot, context);
  std::vector<float> logits;
  logits.reserve(items.size());
  for (const uint32_t item : items) {
    logits.push_back(scorer.LogitOfItem(item));
  }
  return logits;
}

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
