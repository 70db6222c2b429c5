// No gradient that a server takes makes a value or a state that is not finite.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <random>
#include <vector>

#include "ps/gradient_check.h"
#include "ps/optimizer/optimizer.h"
#include "ps/optimizer/optimizer_check.h"
#include "tests/ps/optimizer_cases.h"

namespace freshet::ps {
namespace {

constexpr uint32_t kDim = 19;

// Settings at the ends of their ranges, where quotients and sums are at their worst.
std::vector<std::string> ExtremeOptimizers() {
  std::vector<std::string> all = test::EveryOptimizer();
  for (const std::string kind : {
           "sgd {learning_rate: 1e6}",
           "momentum {learning_rate: 1e6 momentum: 0.99999994}",
           "momentum {learning_rate: 1e6 momentum: 0.99999994 nesterov: true}",
           "adagrad {learning_rate: 1e6 epsilon: 1e-45}",
           "adagrad {learning_rate: 1e6 initial_accumulator: 1e-45}",
           "adagrad {learning_rate: 1e6 initial_accumulator: 3e38}",
           "adagrad {learning_rate: 1e6 epsilon: 1e-45 accumulator_decay: 1e-45}",
           "adagrad {learning_rate: 1e6 epsilon: 1e-45 row_wise: true}",
           "adagrad {learning_rate: 1e6 initial_accumulator: 1e-45 row_wise: true}",
           "rmsprop {learning_rate: 1e6 epsilon: 1e-45}",
           "rmsprop {learning_rate: 1e6 decay: 0.99999994 epsilon: 1e-45 centered: true}",
           "rmsprop {learning_rate: 1e6 decay: 0.99 epsilon: 1e-45 momentum: 0.99999994}",
           "rmsprop {learning_rate: 1e6 epsilon: 1e-45 momentum: 0.99999994 centered: true}",
           "adam {learning_rate: 1e6 epsilon: 1e-45}",
           "adam {learning_rate: 1e6 beta1: 0.99999994 epsilon: 1e-45}",
           "adam {learning_rate: 1e6 beta2: 0.99999994 epsilon: 1e-45}",
           "adamw {learning_rate: 1e6 beta1: 0.9 epsilon: 1e-45 weight_decay: 1e-6}",
           "ftrl {learning_rate: 1e6 beta: 1e-45}",
           "ftrl {learning_rate: 1e-45 beta: 1e9 l1: 1e9 l2: 1e9}",
           "ftrl {learning_rate: 1e6 l2: 1e-45 l1: 1e9}",
           "group_lasso_ftrl {learning_rate: 1e6 beta: 1e-45 l21: 1e-45}",
           "group_lasso_ftrl {learning_rate: 1e-45 beta: 1e9 l1: 1e9 l2: 1e9 l21: 1e9}",
       }) {
    for (const std::string extra : {"",
                                    "clip_value: 1e-45 clip_norm: 1e-45",
                                    "clip_norm: 3e38 weight_min: 1 weight_max: 1e18",
                                    "weight_min: -1e18 weight_max: -1e18",
                                    "schedule {kind: POLYNOMIAL decay_steps: 5 power: 1}",
                                    "schedule {warmup_steps: 9007199254740992}"}) {
      all.push_back(fmt::format("{} {}", kind, extra));
    }
    if (kind.find("ftrl") == std::string::npos) {
      all.push_back(kind + " l1: 3e38 l2: 3e38");
      all.push_back(kind + " l2: 3e38");
      all.push_back(kind + " l1: 1e-45 l2: 1e-45 schedule {kind: COSINE decay_steps: 3}");
    }
  }
  return all;
}

bool AllFinite(const std::vector<float>& floats) {
  return std::all_of(floats.begin(), floats.end(), [](float x) { return std::isfinite(x); });
}

TEST_CASE("values and states stay finite whatever the gradients", "[ps]") {
  const std::vector<float> sizes = {
      0.0F, 1e-45F, 1e-38F, 1e-22F, 1.0F, 1e10F, 1e18F, std::nextafter(kGradientLimit, 0.0F)};
  for (const std::string& text : ExtremeOptimizers()) {
    INFO(text);
    const proto::Optimizer options = test::OptimizerOf(text);
    const Status status = CheckOptimizer("here", options);
    INFO(status);
    REQUIRE(status.ok());
    const auto optimizer = MakeOptimizer(options, kDim);
    std::mt19937_64 random(11);
    for (const float initial : {0.0F, 0.1F, 1e9F}) {
      std::vector<float> row(kDim + optimizer->state_dim());
      std::fill_n(row.begin(), kDim, initial);
      optimizer->InitState(row.data(), row.data() + kDim);
      std::vector<float> gradient(kDim);
      for (uint64_t step = 1; step <= 1000 && AllFinite(row); ++step) {
        // Long runs of one size and sign too: sums grow, and decay to nothing.
        const bool mixed = step / 100 % 2 == 0;
        const float size = sizes[step / 100 % sizes.size()];
        for (float& g : gradient) {
          g = mixed
                  ? std::copysign(sizes[random() % sizes.size()], random() % 2 == 0 ? 1.0F : -1.0F)
                  : size;
        }
        const RowUpdate update{
            .value = row.data(), .state = row.data() + kDim, .gradient = gradient.data()};
        optimizer->Apply({&update, 1}, step);
      }
      CHECK(AllFinite(row));
    }
  }
}

}  // namespace
}  // namespace freshet::ps
