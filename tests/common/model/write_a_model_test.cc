// The model of docs/write-a-model.md, whose code CMake takes out of the page.
#include <catch2/catch.hpp>
#include <cmath>
#include <random>
#include <vector>

#include "common/model/batch_builder.h"
#include "common/model/kind.h"

namespace freshet {

extern const ModelKind kFwfmKind;

namespace {

constexpr uint32_t kSlots = 3;
constexpr uint32_t kValues = 6;  // of each slot

proto::ModelSpec SpecOfPage() {
  proto::ModelSpec spec;
  for (uint32_t slot = 0; slot < kSlots; ++slot) {
    spec.add_slots()->set_name("slot" + std::to_string(slot));
  }
  spec.set_kind("fwfm");
  spec.set_factors(4);
  ModelSettings settings;
  settings.factors = 4;
  kFwfmKind.declare(settings, &spec);
  return spec;
}

// One feature in each slot; the label says whether the first two agree, the third is noise.
Batch BatchOf(std::mt19937_64& random, size_t samples) {
  BatchBuilder builder(1);
  for (size_t i = 0; i < samples; ++i) {
    Sample sample;
    uint64_t values[kSlots];
    for (uint16_t slot = 0; slot < kSlots; ++slot) {
      values[slot] = random() % kValues;
      sample.features.push_back({.key = 100U * slot + values[slot], .slot = slot});
    }
    sample.label = values[0] % 2 == values[1] % 2 ? 1.0F : 0.0F;
    builder.Add(sample, i, 0);
  }
  return builder.Take();
}

// All parameters of the model, its rows by key.
struct Weights {
  explicit Weights(const proto::ModelSpec& spec)
      : rows(100U * kSlots * spec.factors()), bias(1, 0.0F), strengths(kSlots * kSlots, 1.0F) {
    std::mt19937_64 random(3);
    std::normal_distribution<float> normal(0.0F, 0.3F);
    for (float& value : rows) {
      value = normal(random);
    }
  }

  std::vector<float> rows;
  std::vector<float> bias;
  std::vector<float> strengths;
};

// The loss of a batch, and what Backward says of it.
struct Pass {
  Pass(Model& model, const Batch& batch, const Weights& weights, uint32_t factors) {
    for (const Key key : batch.inputs[0].keys) {
      const auto row = weights.rows.begin() + static_cast<std::ptrdiff_t>(key * factors);
      rows.insert(rows.end(), row, row + factors);
    }
    const Parameters parameters{.embeddings = {rows}, .dense = {weights.bias, weights.strengths}};
    std::vector<float> logits(batch.size());
    model.Forward(batch, parameters, logits);
    for (size_t i = 0; i < batch.size(); ++i) {
      loss += double{LogLoss(logits[i], batch.labels[i])};
      logits[i] = Sigmoid(logits[i]) - batch.labels[i];
    }
    row_gradients.resize(rows.size());
    Gradients gradients{.embeddings = {row_gradients}, .dense = {bias, strengths}};
    model.Backward(batch, parameters, logits, &gradients);
  }

  double loss = 0.0;
  std::vector<float> rows;
  std::vector<float> row_gradients;
  std::vector<float> bias = {0.0F};
  std::vector<float> strengths = std::vector<float>(kSlots * kSlots, 0.0F);
};

TEST_CASE("the page's model has the gradients of its loss", "[model]") {
  const proto::ModelSpec spec = SpecOfPage();
  const std::unique_ptr<Model> model = kFwfmKind.make(spec);
  std::mt19937_64 random(1);
  const Batch batch = BatchOf(random, 20);
  Weights weights(spec);
  const Pass pass(*model, batch, weights, spec.factors());
  constexpr float kStep = 1e-2F;
  const auto slope = [&](float& parameter) {
    const float before = parameter;
    parameter = before + kStep;
    const double above = Pass(*model, batch, weights, spec.factors()).loss;
    parameter = before - kStep;
    const double below = Pass(*model, batch, weights, spec.factors()).loss;
    parameter = before;
    return (above - below) / (2.0 * double{kStep});
  };
  CHECK(slope(weights.bias[0]) == Approx(pass.bias[0]).margin(0.01));
  for (const uint32_t pair : {1U, 2U, 5U}) {
    CHECK(slope(weights.strengths[pair]) == Approx(pass.strengths[pair]).margin(0.01));
  }
  CHECK(pass.strengths[3] == 0.0F);  // of t < s: not used
  for (size_t i = 0; i < batch.inputs[0].keys.size(); ++i) {
    const size_t at = batch.inputs[0].keys[i] * spec.factors();
    CHECK(slope(weights.rows[at]) == Approx(pass.row_gradients[i * spec.factors()]).margin(0.01));
  }
}

TEST_CASE("the page's model learns which slots matter to each other", "[model]") {
  const proto::ModelSpec spec = SpecOfPage();
  REQUIRE(spec.embedding_variables(0).dim() == spec.factors());
  REQUIRE(spec.dense_variables(1).name() == "strengths");
  const std::unique_ptr<Model> model = kFwfmKind.make(spec);
  std::mt19937_64 random(2);
  Weights weights(spec);
  const uint32_t factors = spec.factors();
  double first = 0.0;
  double last = 0.0;
  for (int step = 0; step < 600; ++step) {
    const Batch batch = BatchOf(random, 64);
    const Pass pass(*model, batch, weights, factors);
    (step < 20 ? first : last) = pass.loss / 64;
    const auto learn = [](float rate, const std::vector<float>& gradients, float* values) {
      for (size_t i = 0; i < gradients.size(); ++i) {
        values[i] -= rate * gradients[i];
      }
    };
    learn(0.05F / 64, pass.bias, weights.bias.data());
    learn(0.05F / 64, pass.strengths, weights.strengths.data());
    for (size_t i = 0; i < batch.inputs[0].keys.size(); ++i) {
      const std::vector<float> of_row(
          pass.row_gradients.begin() + static_cast<long>(i * factors),
          pass.row_gradients.begin() + static_cast<long>((i + 1) * factors));
      learn(0.02F, of_row, weights.rows.data() + batch.inputs[0].keys[i] * factors);
    }
  }
  CHECK(first > 0.6);
  CHECK(last < 0.1);
}

}  // namespace
}  // namespace freshet
