#pragma once
#include <random>
#include <vector>

#include "common/model/batch_builder.h"
#include "common/model/model.h"

namespace freshet::test {

// Rows, gradients and logits for a batch, owned.
struct ModelRun {
  explicit ModelRun(const Batch& of, size_t dim, size_t dense) : batch(of) {
    embeddings.resize(batch.inputs[0].keys.size() * dim);
    embedding_gradients.resize(embeddings.size());
    dense_values.resize(dense);
    dense_gradients.resize(dense);
    logits.resize(batch.size());
  }

  Parameters parameters() const {
    Parameters of;
    of.embeddings = {embeddings};
    of.dense = {dense_values};
    return of;
  }

  Gradients gradients() {
    Gradients of;
    of.embeddings = {embedding_gradients};
    of.dense = {dense_gradients};
    return of;
  }

  const Batch& batch;
  std::vector<float> embeddings;
  std::vector<float> embedding_gradients;
  std::vector<float> dense_values;
  std::vector<float> dense_gradients;
  std::vector<float> logits;
};

inline void FillNormal(std::mt19937_64& random, float stddev, std::vector<float>* values) {
  std::normal_distribution<float> normal(0.0F, stddev);
  for (float& value : *values) {
    value = normal(random);
  }
}

// Samples of 0 to 6 features among 20 keys, with values, weights and repeated features.
inline Batch RandomBatch(std::mt19937_64& random, size_t samples) {
  BatchBuilder builder(1);
  for (size_t i = 0; i < samples; ++i) {
    Sample sample;
    sample.label = static_cast<float>(random() % 2);
    sample.weight = 0.5F + static_cast<float>(random() % 4);
    for (uint64_t f = random() % 7; f > 0; --f) {
      sample.features.push_back(Feature{
          .key = random() % 20, .value = static_cast<float>(random() % 5) / 2.0F, .slot = 0});
    }
    builder.Add(sample, i, 0);
  }
  return builder.Take();
}

}  // namespace freshet::test
