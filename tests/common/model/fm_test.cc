#include "common/model/fm.h"

#include <catch2/catch.hpp>
#include <numeric>

#include "tests/common/model/model_fixture.h"

namespace freshet {
namespace {

// The definition, pair by pair.
double PairwiseLogit(const test::ModelRun& run, size_t sample, size_t dim) {
  const SparseInput& input = run.batch.inputs[0];
  double logit = double{run.dense_values[0]};
  for (uint32_t i = input.sample_begin[sample]; i < input.sample_begin[sample + 1]; ++i) {
    const float* left = run.embeddings.data() + input.rows[i] * dim;
    logit += double{left[0]} * double{input.values[i]};
    for (uint32_t j = i + 1; j < input.sample_begin[sample + 1]; ++j) {
      const float* right = run.embeddings.data() + input.rows[j] * dim;
      for (size_t f = 1; f < dim; ++f) {
        logit += double{left[f]} * double{right[f]} * double{input.values[i] * input.values[j]};
      }
    }
  }
  return logit;
}

TEST_CASE("an fm logit is the sum of its linear terms and of all pairs", "[model]") {
  const uint32_t factors = GENERATE(1U, 5U, 16U);
  std::mt19937_64 random(factors);
  const Batch batch = test::RandomBatch(random, 30);
  test::ModelRun run(batch, FmDim(factors), 1);
  test::FillNormal(random, 0.5F, &run.embeddings);
  run.dense_values = {0.25F};
  MakeFmModel(factors)->Forward(batch, run.parameters(), run.logits);
  for (size_t sample = 0; sample < batch.size(); ++sample) {
    CHECK(double{run.logits[sample]} ==
          Approx(PairwiseLogit(run, sample, FmDim(factors))).epsilon(1e-4).margin(1e-4));
  }
}

TEST_CASE("the score of two sides is the logit of all their features", "[model]") {
  constexpr uint32_t kFactors = 6;
  constexpr size_t kDim = FmDim(kFactors);
  std::mt19937_64 random(8);
  const Batch batch = test::RandomBatch(random, 30);
  test::ModelRun run(batch, kDim, 1);
  test::FillNormal(random, 0.5F, &run.embeddings);
  run.dense_values = {-0.5F};
  MakeFmModel(kFactors)->Forward(batch, run.parameters(), run.logits);
  FmSide context(kFactors);
  FmSide item(kFactors);
  const SparseInput& input = batch.inputs[0];
  for (size_t sample = 0; sample < batch.size(); ++sample) {
    context.Clear();
    item.Clear();
    const uint32_t begin = input.sample_begin[sample];
    for (uint32_t e = begin; e < input.sample_begin[sample + 1]; ++e) {
      const std::span<const float> row(run.embeddings.data() + input.rows[e] * kDim, kDim);
      ((e - begin) % 2 == 0 ? context : item).Add(row, input.values[e]);
    }
    const float product = std::inner_product(
        context.vector().begin(), context.vector().end(), item.vector().begin(), 0.0F);
    CHECK(run.dense_values[0] + context.Bias() + item.Bias() + product ==
          Approx(run.logits[sample]).epsilon(1e-4).margin(1e-4));
  }
}

}  // namespace
}  // namespace freshet
