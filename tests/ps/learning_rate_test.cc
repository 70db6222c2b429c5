#include "ps/optimizer/learning_rate.h"

#include <catch2/catch.hpp>

#include "ps/optimizer/optimizer.h"
#include "tests/ps/optimizer_cases.h"

namespace freshet::ps {
namespace {

LearningRate RateOf(const std::string& schedule) {
  return {0.5F, test::OptimizerOf("schedule {" + schedule + "}").schedule()};
}

TEST_CASE("without a schedule the learning rate never changes", "[ps]") {
  const LearningRate rate = RateOf("");
  CHECK_FALSE(rate.changes());
  CHECK(rate.At(0) == 0.5F);
  CHECK(rate.At(1'000'000) == 0.5F);
}

TEST_CASE("a warm-up grows from its first step to the learning rate that is set", "[ps]") {
  const LearningRate rate = RateOf("warmup_steps: 4");
  CHECK(rate.At(0) == 0.125F);
  CHECK(rate.At(1) == 0.125F);
  CHECK(rate.At(2) == 0.25F);
  CHECK(rate.At(4) == 0.5F);
  CHECK(rate.At(5) == 0.5F);
}

TEST_CASE("schedules fall from the end of the warm-up on", "[ps]") {
  SECTION("step") {
    const LearningRate rate = RateOf("kind: STEP warmup_steps: 2 decay_steps: 10 decay_rate: 0.5");
    CHECK(rate.At(11) == 0.5F);
    CHECK(rate.At(12) == 0.25F);
    CHECK(rate.At(21) == 0.25F);
    CHECK(rate.At(22) == 0.125F);
  }
  SECTION("exponential") {
    const LearningRate rate = RateOf("kind: EXPONENTIAL decay_steps: 10 decay_rate: 0.25");
    CHECK(rate.At(5) == 0.25F);
    CHECK(rate.At(10) == 0.125F);
  }
  SECTION("polynomial") {
    const LearningRate rate =
        RateOf("kind: POLYNOMIAL decay_steps: 10 power: 2 end_learning_rate: 0.1");
    CHECK(rate.At(5) == Approx(0.1 + 0.4 * 0.25));
    CHECK(rate.At(10) == 0.1F);
    CHECK(rate.At(1000) == 0.1F);
  }
  SECTION("cosine") {
    const LearningRate rate =
        RateOf("kind: COSINE warmup_steps: 5 decay_steps: 10 end_learning_rate: 0.1");
    CHECK(rate.At(5) == 0.5F);
    CHECK(rate.At(10) == Approx(0.3));
    CHECK(rate.At(15) == 0.1F);
    CHECK(rate.At(1000) == 0.1F);
  }
  SECTION("inverse square root") {
    const LearningRate rate = RateOf("kind: INVERSE_SQRT warmup_steps: 100 decay_steps: 100");
    CHECK(rate.At(50) == 0.25F);
    CHECK(rate.At(100) == 0.5F);
    CHECK(rate.At(400) == 0.25F);
  }
}

TEST_CASE("a falling learning rate does not shrink a row of ftrl that gets no gradient", "[ps]") {
  const auto optimizer =
      MakeOptimizer(test::OptimizerOf("ftrl {learning_rate: 0.1 beta: 1} "
                                      "schedule {kind: STEP decay_steps: 10 decay_rate: 0.01}"),
                    1);
  std::vector<float> row = {0.25F, 0.0F, 0.0F, 0.0F};
  REQUIRE(row.size() == 1 + optimizer->state_dim());
  optimizer->InitState(row.data(), row.data() + 1);
  const auto push = [&](float gradient, uint64_t step) {
    const RowUpdate update{.value = row.data(), .state = row.data() + 1, .gradient = &gradient};
    optimizer->Apply({&update, 1}, step);
    return row[0];
  };
  const float before = push(1.0F, 9);
  CHECK(before < 0.25F);
  CHECK(push(0.0F, 10) == Approx(before));
  CHECK(push(1.0F, 11) == Approx(before).margin(0.001));
}

}  // namespace
}  // namespace freshet::ps
