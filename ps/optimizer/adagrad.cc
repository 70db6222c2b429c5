#include "ps/optimizer/adagrad.h"

#include <algorithm>

#include "ps/optimizer/learning_rate.h"
#include "ps/optimizer/row_kernels.h"

namespace freshet::ps {
namespace {

FRESHET_TARGET_CLONES void StepAdagrad(const GradientSteps& steps,
                                       const AdagradKernel<false>& kernel,
                                       std::span<const RowUpdate> updates) {
  StepRows(steps, kernel, updates);
}

FRESHET_TARGET_CLONES void StepDecayedAdagrad(const GradientSteps& steps,
                                              const AdagradKernel<true>& kernel,
                                              std::span<const RowUpdate> updates) {
  StepRows(steps, kernel, updates);
}

FRESHET_TARGET_CLONES void StepRowWiseAdagrad(const GradientSteps& steps,
                                              const RowWiseAdagradKernel& kernel,
                                              std::span<const RowUpdate> updates) {
  StepRows(steps, kernel, updates);
}

// Duchi, Hazan, Singer 2011, diagonal. State: the sum of squared gradients [dim], or with row_wise
// the sum of their means over the row [1].
class Adagrad final : public Optimizer {
 public:
  Adagrad(const proto::Optimizer& options, uint32_t dim)
      : learning_rate_(options.adagrad().learning_rate(), options.schedule()),
        steps_(options),
        initial_accumulator_(options.adagrad().initial_accumulator()),
        epsilon_(options.adagrad().epsilon()),
        decay_(options.adagrad().accumulator_decay() > 0 ? options.adagrad().accumulator_decay()
                                                         : 1.0F),
        row_wise_(options.adagrad().row_wise()),
        dim_(dim) {}

  uint32_t state_dim() const override { return row_wise_ ? 1 : dim_; }

  void InitState(const float* /*value*/, float* state) const override {
    std::fill_n(state, state_dim(), initial_accumulator_);
  }

  void Apply(std::span<const RowUpdate> updates, uint64_t step) const override {
    if (row_wise_) {
      StepRowWiseAdagrad(steps_, Kernel<RowWiseAdagradKernel>(step), updates);
    } else if (decay_ < 1.0F) {
      StepDecayedAdagrad(steps_, Kernel<AdagradKernel<true>>(step), updates);
    } else {
      StepAdagrad(steps_, Kernel<AdagradKernel<false>>(step), updates);
    }
  }

 private:
  template <typename K>
  K Kernel(uint64_t step) const {
    return {.dim = dim_,
            .rate = learning_rate_.At(step),
            .bounds = steps_.kernel_bounds(),
            .decay = decay_,
            .epsilon = epsilon_};
  }

  const LearningRate learning_rate_;
  const GradientSteps steps_;
  const float initial_accumulator_;
  const float epsilon_;
  const float decay_;
  const bool row_wise_;
  const uint32_t dim_;
};

}  // namespace

std::unique_ptr<Optimizer> MakeAdagrad(const proto::Optimizer& options, uint32_t dim) {
  return std::make_unique<Adagrad>(options, dim);
}

}  // namespace freshet::ps
