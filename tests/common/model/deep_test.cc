#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <random>

#include "common/model/batch_builder.h"
#include "common/model/model.h"
#include "tests/common/model/model_fixture.h"

namespace freshet {
namespace {

constexpr uint32_t kSlotCount = 3;

struct Shape {
  std::string kind;
  proto::Mlp::Normalization normalization = proto::Mlp::NONE;
  float dropout = 0.0F;
  uint32_t cross_rank = 0;
};

proto::ModelSpec SpecOf(const Shape& shape) {
  ModelSettings settings;
  settings.kind = shape.kind;
  settings.factors = 4;
  settings.mlp.add_hidden(7);
  settings.mlp.add_hidden(5);
  settings.mlp.set_normalization(shape.normalization);
  settings.mlp.set_dropout(shape.dropout);
  settings.cross_layers = 2;
  settings.cross_rank = shape.cross_rank;
  settings.optimizer.mutable_sgd()->set_learning_rate(0.1F);
  settings.dense_optimizer = settings.optimizer;
  std::vector<proto::Slot> slots(kSlotCount);
  for (uint32_t i = 0; i < kSlotCount; ++i) {
    slots[i].set_name("slot" + std::to_string(i));
  }
  const StatusOr<proto::ModelSpec> spec = DeclareModel(settings, slots);
  INFO(spec.status().ToString());
  REQUIRE(spec.ok());
  return *spec;
}

// Every sample has features in some slots, several in some.
Batch BatchOf(std::mt19937_64& random, size_t samples) {
  BatchBuilder builder(1);
  for (size_t i = 0; i < samples; ++i) {
    Sample sample;
    sample.label = static_cast<float>(random() % 2);
    sample.weight = 0.5F + static_cast<float>(random() % 4);
    for (uint64_t f = 1 + random() % 6; f > 0; --f) {
      const auto slot = static_cast<uint16_t>(random() % kSlotCount);
      sample.features.push_back(
          Feature{.key = 100U * slot + random() % 9, .value = 0.5F, .slot = slot});
    }
    builder.Add(sample, i, 0);
  }
  Batch batch = builder.Take();
  batch.stream_step = 17;
  return batch;
}

// Parameters of a model for a batch, and as much room for gradients.
struct Run {
  Run(const proto::ModelSpec& spec, const Batch& of, std::mt19937_64& random) : batch(of) {
    values.emplace_back(batch.inputs[0].keys.size() * spec.embedding_variables(0).dim());
    for (const proto::DenseVariable& variable : spec.dense_variables()) {
      size_t elements = 1;
      for (const uint32_t extent : variable.shape()) {
        elements *= extent;
      }
      values.emplace_back(elements);
    }
    for (std::vector<float>& array : values) {
      test::FillNormal(random, 0.5F, &array);
    }
    for (int i = 0; i < spec.dense_variables_size(); ++i) {
      const std::string& name = spec.dense_variables(i).name();
      if (name.ends_with("/variance")) {
        for (float& value : values[static_cast<size_t>(i) + 1]) {
          value = 0.5F + value * value;
        }
      }
    }
    for (const std::vector<float>& array : values) {
      gradients.emplace_back(array.size(), 0.0F);
    }
    logits.resize(batch.size());
  }

  Parameters parameters() const {
    Parameters of;
    of.embeddings.emplace_back(values[0]);
    for (size_t i = 1; i < values.size(); ++i) {
      of.dense.emplace_back(values[i]);
    }
    return of;
  }

  void Learn(Model& model) {
    (void)Loss(model);
    std::vector<float> logit_gradients(batch.size());
    for (size_t i = 0; i < batch.size(); ++i) {
      logit_gradients[i] = batch.weights[i] * (Sigmoid(logits[i]) - batch.labels[i]);
    }
    Gradients of;
    of.embeddings.emplace_back(gradients[0]);
    for (size_t i = 1; i < gradients.size(); ++i) {
      of.dense.emplace_back(gradients[i]);
    }
    model.Backward(batch, parameters(), logit_gradients, &of);
  }

  double Loss(Model& model) {
    model.Forward(batch, parameters(), logits);
    double loss = 0.0;
    for (size_t i = 0; i < batch.size(); ++i) {
      loss += double{batch.weights[i]} * double{LogLoss(logits[i], batch.labels[i])};
    }
    return loss;
  }

  const Batch& batch;
  std::vector<std::vector<float>> values;     // the rows, then the dense variables
  std::vector<std::vector<float>> gradients;  // likewise
  std::vector<float> logits;
};

bool IsStatistic(const std::string& name) {
  return name.ends_with("/mean") || name.ends_with("/variance");
}

// The slope of the loss along a random direction in one variable at a time, against Backward. The
// error that is allowed is that of float32 sums over so small a step.
void CheckSlopes(const Shape& shape, uint64_t seed) {
  CAPTURE(shape.kind, int{shape.normalization}, shape.dropout, shape.cross_rank, seed);
  const proto::ModelSpec spec = SpecOf(shape);
  std::mt19937_64 random(seed);
  const Batch batch = BatchOf(random, 16);
  const auto model = *MakeModel(spec);
  Run run(spec, batch, random);
  run.Learn(*model);
  for (size_t v = 0; v < run.values.size(); ++v) {
    const std::string name = v == 0 ? "rows" : spec.dense_variables(static_cast<int>(v) - 1).name();
    if (IsStatistic(name)) {
      continue;
    }
    CAPTURE(name);
    std::vector<float> direction(run.values[v].size());
    test::FillNormal(random, 1.0F, &direction);
    double expected = 0.0;
    double length = 0.0;
    for (size_t i = 0; i < direction.size(); ++i) {
      expected += double{direction[i]} * double{run.gradients[v][i]};
      length += double{direction[i]} * double{direction[i]};
    }
    length = std::sqrt(length);
    const std::vector<float> start = run.values[v];
    const auto loss_at = [&](double step) {
      for (size_t i = 0; i < direction.size(); ++i) {
        run.values[v][i] =
            static_cast<float>(double{start[i]} + step / length * double{direction[i]});
      }
      return run.Loss(*model);
    };
    constexpr double kStep = 1e-3;
    const double here = loss_at(0.0);
    const double right = (loss_at(kStep) - here) / kStep;
    const double left = (here - loss_at(-kStep)) / kStep;
    run.values[v] = start;
    // Where a kink of relu lies on one side, the slope is that of the other.
    const double slope =
        std::clamp(expected / length, std::min(left, right), std::max(left, right));
    CHECK(slope == Approx(expected / length).epsilon(0.03).margin(0.02));
  }
}

TEST_CASE("the gradients of deep models are the slopes of their loss", "[model]") {
  const uint64_t seed = GENERATE(range(1, 6));
  for (const std::string kind : {"wide_deep", "deepfm", "dcn"}) {
    for (const auto normalization : {proto::Mlp::NONE, proto::Mlp::BATCH, proto::Mlp::LAYER}) {
      CheckSlopes({.kind = kind, .normalization = normalization}, seed);
    }
    CheckSlopes({.kind = kind, .dropout = 0.3F}, seed);
  }
  CheckSlopes({.kind = "dcn", .cross_rank = 2}, seed);
}

TEST_CASE("what is pushed of running statistics is how far they are off", "[model]") {
  const proto::ModelSpec spec = SpecOf({.kind = "deepfm", .normalization = proto::Mlp::BATCH});
  std::mt19937_64 random(4);
  const Batch batch = BatchOf(random, 32);
  const auto model = *MakeModel(spec);
  Run run(spec, batch, random);
  run.Learn(*model);
  // With statistics that are those of the batch, scoring is what training was.
  for (int i = 0; i < spec.dense_variables_size(); ++i) {
    if (IsStatistic(spec.dense_variables(i).name())) {
      CHECK(spec.dense_variables(i).optimizer().sgd().learning_rate() == Approx(0.01));
      std::vector<float>& values = run.values[static_cast<size_t>(i) + 1];
      const std::vector<float>& off = run.gradients[static_cast<size_t>(i) + 1];
      for (size_t unit = 0; unit < values.size(); ++unit) {
        values[unit] -= off[unit] / static_cast<float>(batch.size());
      }
    }
  }
  const std::vector<float> trained = run.logits;
  REQUIRE(!model->ScoresAsItTrains());
  model->Score(batch, run.parameters(), run.logits);
  for (size_t i = 0; i < trained.size(); ++i) {
    CHECK(run.logits[i] == Approx(trained[i]).margin(1e-4));
  }
}

TEST_CASE("dropout is the same in a replay, another in the next step, and none in scoring",
          "[model]") {
  const proto::ModelSpec spec = SpecOf({.kind = "wide_deep", .dropout = 0.5F});
  std::mt19937_64 random(5);
  Batch batch = BatchOf(random, 8);
  const auto model = *MakeModel(spec);
  Run run(spec, batch, random);
  (void)run.Loss(*model);
  const std::vector<float> first = run.logits;
  (void)run.Loss(**MakeModel(spec));
  CHECK(run.logits == first);
  batch.stream_step = 18;
  (void)run.Loss(*model);
  CHECK(run.logits != first);
  model->Score(batch, run.parameters(), run.logits);
  const std::vector<float> scored = run.logits;
  batch.stream_step = 19;
  model->Score(batch, run.parameters(), run.logits);
  CHECK(run.logits == scored);
}

TEST_CASE("a model whose variables are not its kind's is refused", "[model]") {
  proto::ModelSpec spec = SpecOf({.kind = "dcn"});
  spec.mutable_dense_variables(2)->add_shape(3);
  CHECK_THAT(MessageOf(MakeModel(spec).status()), Catch::Contains("dense variable 2"));
  spec = SpecOf({.kind = "deepfm"});
  spec.mutable_mlp()->set_hidden(0, 1U << 20U);
  CHECK_THAT(MessageOf(MakeModel(spec).status()), Catch::Contains("1048576 units"));
}

}  // namespace
}  // namespace freshet
