#include <catch2/catch.hpp>
#include <cmath>

#include "common/model/fm.h"
#include "common/model/lr.h"
#include "tests/common/model/model_fixture.h"

namespace freshet {
namespace {

double TotalLoss(Model& model, test::ModelRun& run) {
  model.Forward(run.batch, run.parameters(), run.logits);
  double loss = 0.0;
  for (size_t i = 0; i < run.batch.size(); ++i) {
    loss += double{run.batch.weights[i]} * double{LogLoss(run.logits[i], run.batch.labels[i])};
  }
  return loss;
}

// Central differences of the weighted loss in each parameter, against Backward.
void CheckGradients(Model& model, test::ModelRun& run) {
  (void)TotalLoss(model, run);
  std::vector<float> logit_gradients(run.batch.size());
  for (size_t i = 0; i < run.batch.size(); ++i) {
    logit_gradients[i] = run.batch.weights[i] * (Sigmoid(run.logits[i]) - run.batch.labels[i]);
  }
  Gradients gradients = run.gradients();
  model.Backward(run.batch, run.parameters(), logit_gradients, &gradients);
  const auto check = [&](std::vector<float>& values, const std::vector<float>& got) {
    for (size_t i = 0; i < values.size(); ++i) {
      const float value = values[i];
      constexpr float kStep = 1e-2F;
      values[i] = value + kStep;
      const double above = TotalLoss(model, run);
      values[i] = value - kStep;
      const double below = TotalLoss(model, run);
      values[i] = value;
      CHECK(double{got[i]} == Approx((above - below) / (2.0 * double{kStep})).margin(5e-3));
    }
  };
  check(run.embeddings, run.embedding_gradients);
  check(run.dense_values, run.dense_gradients);
}

TEST_CASE("the gradients of lr are the slopes of its loss", "[model]") {
  std::mt19937_64 random(3);
  const Batch batch = test::RandomBatch(random, 12);
  test::ModelRun run(batch, 1, 1);
  test::FillNormal(random, 0.5F, &run.embeddings);
  run.dense_values = {-0.3F};
  CheckGradients(*MakeLrModel(), run);
}

TEST_CASE("the gradients of fm are the slopes of its loss", "[model]") {
  const uint32_t factors = GENERATE(1U, 4U, 7U);
  std::mt19937_64 random(factors);
  const Batch batch = test::RandomBatch(random, 12);
  test::ModelRun run(batch, FmDim(factors), 1);
  test::FillNormal(random, 0.3F, &run.embeddings);
  run.dense_values = {0.4F};
  CheckGradients(*MakeFmModel(factors), run);
}

TEST_CASE("gradients are added to what is there", "[model]") {
  std::mt19937_64 random(5);
  const Batch batch = test::RandomBatch(random, 4);
  const std::unique_ptr<Model> model = MakeFmModel(2);
  test::ModelRun once(batch, 3, 1);
  test::FillNormal(random, 0.3F, &once.embeddings);
  test::ModelRun twice = once;
  const std::vector<float> logit_gradients(batch.size(), 0.5F);
  model->Forward(batch, once.parameters(), once.logits);
  Gradients gradients = once.gradients();
  model->Backward(batch, once.parameters(), logit_gradients, &gradients);
  gradients = twice.gradients();
  model->Backward(batch, twice.parameters(), logit_gradients, &gradients);
  model->Backward(batch, twice.parameters(), logit_gradients, &gradients);
  for (size_t i = 0; i < once.embedding_gradients.size(); ++i) {
    CHECK(twice.embedding_gradients[i] == Approx(2.0F * once.embedding_gradients[i]).margin(1e-6));
  }
  CHECK(twice.dense_gradients[0] == Approx(2.0F * once.dense_gradients[0]));
}

TEST_CASE("log loss and probability stay finite at large logits", "[model]") {
  CHECK(LogLoss(0.0F, 1.0F) == Approx(std::log(2.0)));
  CHECK(LogLoss(200.0F, 0.0F) == Approx(200.0));
  CHECK(LogLoss(-200.0F, 1.0F) == Approx(200.0));
  CHECK(LogLoss(200.0F, 1.0F) == 0.0F);
  CHECK(LogLoss(1.5F, 1.0F) == Approx(-std::log(1.0 / (1.0 + std::exp(-1.5)))));
  CHECK(Sigmoid(200.0F) == 1.0F);
  CHECK(Sigmoid(-200.0F) == Approx(0.0).margin(1e-30));
  CHECK(Sigmoid(0.0F) == 0.5F);
  CHECK(Sigmoid(-2.0F) + Sigmoid(2.0F) == Approx(1.0));
}

}  // namespace
}  // namespace freshet
