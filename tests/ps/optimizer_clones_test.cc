// What is compiled for the vectors of this machine gives the bits of what is compiled for the
// plainest one, as this file is.
#include <bit>
#include <catch2/catch.hpp>
#include <random>
#include <vector>

#include "ps/optimizer/optimizer.h"
#include "ps/optimizer/row_kernels.h"
#include "tests/ps/optimizer_cases.h"

namespace freshet::ps {
namespace {

constexpr uint32_t kDim = 61;  // of every width of vector some, and a rest
constexpr int kRows = 10;
constexpr uint64_t kSteps = 50;

std::vector<uint32_t> BitsOf(const std::vector<float>& floats) {
  std::vector<uint32_t> bits(floats.size());
  std::transform(floats.begin(), floats.end(), bits.begin(), std::bit_cast<uint32_t, float>);
  return bits;
}

// Trains the same rows with the optimizer and with `kernel`, of the same settings.
template <typename Kernel>
void CheckSameBits(const std::string& text, Kernel kernel) {
  INFO(text);
  const proto::Optimizer options = test::OptimizerOf(text);
  const GradientSteps steps(options);
  const auto optimizer = MakeOptimizer(options, kDim);
  kernel.dim = kDim;
  kernel.bounds = steps.kernel_bounds();
  std::mt19937_64 random(5);
  std::normal_distribution<float> number(0.0F, 1.0F);
  for (int i = 0; i < kRows; ++i) {
    std::vector<float> row(kDim + optimizer->state_dim());
    std::generate_n(row.begin(), kDim, [&] { return number(random); });
    optimizer->InitState(row.data(), row.data() + kDim);
    std::vector<float> plain = row;
    std::vector<float> gradient(kDim);
    for (uint64_t step = 1; step <= kSteps; ++step) {
      std::generate_n(gradient.begin(), kDim, [&] { return number(random); });
      const auto update_of = [&](std::vector<float>& floats) {
        return RowUpdate{
            .value = floats.data(), .state = floats.data() + kDim, .gradient = gradient.data()};
      };
      const RowUpdate with_optimizer = update_of(row);
      const RowUpdate with_kernel = update_of(plain);
      optimizer->Apply({&with_optimizer, 1}, step);
      StepRows(steps, kernel, {&with_kernel, 1});
    }
    CHECK(BitsOf(row) == BitsOf(plain));
  }
}

TEST_CASE("a kernel gives the same bits whatever vectors it is compiled for", "[ps]") {
  for (const std::string extra :
       {"", "clip_norm: 2", "l1: 0.01 l2: 0.1 clip_value: 1 clip_norm: 3 weight_max: 0.5"}) {
    CheckSameBits("sgd {learning_rate: 0.05}" + extra, SgdKernel{.rate = 0.05F});
    CheckSameBits("momentum {learning_rate: 0.05 momentum: 0.9 nesterov: true}" + extra,
                  MomentumKernel<true>{.rate = 0.05F, .momentum = 0.9F});
    CheckSameBits("adagrad {learning_rate: 0.1 epsilon: 1e-8}" + extra,
                  AdagradKernel<false>{.rate = 0.1F, .epsilon = 1e-8F});
    CheckSameBits("adagrad {learning_rate: 0.1 epsilon: 1e-8 row_wise: true}" + extra,
                  RowWiseAdagradKernel{.rate = 0.1F, .epsilon = 1e-8F});
    CheckSameBits(
        "rmsprop {learning_rate: 0.1 decay: 0.9 epsilon: 1e-8 momentum: 0.5 centered: true}" +
            extra,
        RmsPropKernel<true, true>{.rate = 0.1F, .decay = 0.9F, .epsilon = 1e-8F, .momentum = 0.5F});
  }
  for (const std::string extra : {"", "clip_norm: 2 weight_max: 0.5"}) {
    CheckSameBits("ftrl {learning_rate: 0.1 beta: 1 l1: 1 l2: 0.5}" + extra,
                  FtrlKernel<false, false>{.rate = 0.1F, .beta = 1, .l1 = 1, .l2 = 0.5F});
    CheckSameBits("group_lasso_ftrl {learning_rate: 0.1 beta: 1 l1: 1 l2: 0.5 l21: 0.5}" + extra,
                  FtrlKernel<false, true>{.rate = 0.1F,
                                          .beta = 1,
                                          .l1 = 1,
                                          .l2 = 0.5F,
                                          .threshold = 0.5 * std::sqrt(static_cast<double>(kDim))});
  }
}

TEST_CASE("adam gives the same bits whatever vectors it is compiled for", "[ps]") {
  std::vector<AdamCorrection> corrections;
  for (uint32_t t = 1; t <= AdamKernel::kCorrections; ++t) {
    corrections.emplace_back(0.9F, 0.999F, t);
  }
  CheckSameBits("adam {learning_rate: 0.01 beta1: 0.9 beta2: 0.999 epsilon: 1e-8}",
                AdamKernel{.rate = 0.01F,
                           .beta1 = 0.9F,
                           .beta2 = 0.999F,
                           .epsilon = 1e-8F,
                           .corrections = corrections.data()});
}

}  // namespace
}  // namespace freshet::ps
