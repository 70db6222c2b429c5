#include "ps/optimizer/ftrl.h"

#include <algorithm>
#include <cmath>

#include "ps/optimizer/learning_rate.h"
#include "ps/optimizer/row_kernels.h"

namespace freshet::ps {
namespace {

// One overload for each kernel: what is compiled for several machines cannot be a template.
FRESHET_TARGET_CLONES void StepFtrl(const GradientSteps& steps,
                                    const FtrlKernel<false, false>& kernel,
                                    std::span<const RowUpdate> updates) {
  StepRows(steps, kernel, updates);
}

FRESHET_TARGET_CLONES void StepFtrl(const GradientSteps& steps,
                                    const FtrlKernel<true, false>& kernel,
                                    std::span<const RowUpdate> updates) {
  StepRows(steps, kernel, updates);
}

FRESHET_TARGET_CLONES void StepFtrl(const GradientSteps& steps,
                                    const FtrlKernel<false, true>& kernel,
                                    std::span<const RowUpdate> updates) {
  StepRows(steps, kernel, updates);
}

FRESHET_TARGET_CLONES void StepFtrl(const GradientSteps& steps,
                                    const FtrlKernel<true, true>& kernel,
                                    std::span<const RowUpdate> updates) {
  StepRows(steps, kernel, updates);
}

struct Strengths {
  float beta = 0;
  float l1 = 0;
  float l2 = 0;
  float l21 = 0;
};

// FTRL-Proximal, McMahan et al. 2013, algorithm 1; grouped, with the row as a group of the group
// lasso (Ni et al. 2019). State: z [dim], n [dim], then if it changes the learning rate of the
// row's last step, which the strength of its last proximal term was made with.
template <bool kScheduled, bool kGrouped>
class Ftrl final : public Optimizer {
 public:
  Ftrl(const proto::Optimizer& options,
       float learning_rate,
       const Strengths& strengths,
       uint32_t dim)
      : learning_rate_(learning_rate, options.schedule()),
        steps_(options),
        strengths_(strengths),
        threshold_(double{strengths.l21} * std::sqrt(static_cast<double>(dim))),
        dim_(dim) {}

  uint32_t state_dim() const override { return 2 * dim_ + (kScheduled ? 1 : 0); }

  // The z for which the closed form gives back the initial value. With z = 0 the first push would
  // throw that value away, and the factors of an fm would never leave zero.
  void InitState(const float* value, float* z) const override {
    const float alpha = std::max(learning_rate_.base(), Kernel::kLeastRate);
    const float strength = strengths_.beta / alpha + strengths_.l2;
    const double norm = kGrouped ? std::sqrt(SumOfSquares(value, dim_)) : 0.0;
    const float per_unit = norm > 0 ? static_cast<float>(threshold_ / norm) : 0.0F;
    for (uint32_t column = 0; column < dim_; ++column) {
      const float w = value[column];
      const float pull = w == 0.0F ? 0.0F : std::copysign(strengths_.l1, w);
      const float outside = kGrouped ? w * strength + w * per_unit : w * strength;
      z[column] = Finite(-(outside + pull));
    }
    std::fill_n(z + dim_, dim_, 0.0F);
    if constexpr (kScheduled) {
      z[2 * size_t{dim_}] = alpha;
    }
  }

  void Apply(std::span<const RowUpdate> updates, uint64_t step) const override {
    StepFtrl(steps_,
             Kernel{.dim = dim_,
                    .rate = learning_rate_.At(step),
                    .bounds = steps_.kernel_bounds(),
                    .beta = strengths_.beta,
                    .l1 = strengths_.l1,
                    .l2 = strengths_.l2,
                    .threshold = threshold_},
             updates);
  }

 private:
  using Kernel = FtrlKernel<kScheduled, kGrouped>;

  const LearningRate learning_rate_;
  const GradientSteps steps_;
  const Strengths strengths_;
  const double threshold_;
  const uint32_t dim_;
};

template <bool kGrouped>
std::unique_ptr<Optimizer> Make(const proto::Optimizer& options,
                                float learning_rate,
                                const Strengths& strengths,
                                uint32_t dim) {
  if (LearningRate(learning_rate, options.schedule()).changes()) {
    return std::make_unique<Ftrl<true, kGrouped>>(options, learning_rate, strengths, dim);
  }
  return std::make_unique<Ftrl<false, kGrouped>>(options, learning_rate, strengths, dim);
}

}  // namespace

std::unique_ptr<Optimizer> MakeFtrl(const proto::Optimizer& options, uint32_t dim) {
  const proto::Ftrl& ftrl = options.ftrl();
  return Make<false>(
      options, ftrl.learning_rate(), {.beta = ftrl.beta(), .l1 = ftrl.l1(), .l2 = ftrl.l2()}, dim);
}

std::unique_ptr<Optimizer> MakeGroupLassoFtrl(const proto::Optimizer& options, uint32_t dim) {
  const proto::GroupLassoFtrl& ftrl = options.group_lasso_ftrl();
  return Make<true>(options,
                    ftrl.learning_rate(),
                    {.beta = ftrl.beta(), .l1 = ftrl.l1(), .l2 = ftrl.l2(), .l21 = ftrl.l21()},
                    dim);
}

}  // namespace freshet::ps
