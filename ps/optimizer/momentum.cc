#include "ps/optimizer/momentum.h"

#include <algorithm>

#include "ps/optimizer/learning_rate.h"
#include "ps/optimizer/row_kernels.h"

namespace freshet::ps {
namespace {

FRESHET_TARGET_CLONES void StepMomentum(const GradientSteps& steps,
                                        const MomentumKernel<false>& kernel,
                                        std::span<const RowUpdate> updates) {
  StepRows(steps, kernel, updates);
}

FRESHET_TARGET_CLONES void StepNesterov(const GradientSteps& steps,
                                        const MomentumKernel<true>& kernel,
                                        std::span<const RowUpdate> updates) {
  StepRows(steps, kernel, updates);
}

// Sutskever et al. 2013, in the form of TensorFlow and PyTorch. State: the buffer [dim].
class Momentum final : public Optimizer {
 public:
  Momentum(const proto::Optimizer& options, uint32_t dim)
      : learning_rate_(options.momentum().learning_rate(), options.schedule()),
        steps_(options),
        momentum_(options.momentum().momentum()),
        nesterov_(options.momentum().nesterov()),
        dim_(dim) {}

  uint32_t state_dim() const override { return dim_; }

  void InitState(const float* /*value*/, float* state) const override {
    std::fill_n(state, dim_, 0.0F);
  }

  void Apply(std::span<const RowUpdate> updates, uint64_t step) const override {
    if (nesterov_) {
      StepNesterov(steps_, Kernel<true>(step), updates);
    } else {
      StepMomentum(steps_, Kernel<false>(step), updates);
    }
  }

 private:
  template <bool kNesterov>
  MomentumKernel<kNesterov> Kernel(uint64_t step) const {
    return {.dim = dim_,
            .rate = learning_rate_.At(step),
            .bounds = steps_.kernel_bounds(),
            .momentum = momentum_};
  }

  const LearningRate learning_rate_;
  const GradientSteps steps_;
  const float momentum_;
  const bool nesterov_;
  const uint32_t dim_;
};

}  // namespace

std::unique_ptr<Optimizer> MakeMomentum(const proto::Optimizer& options, uint32_t dim) {
  return std::make_unique<Momentum>(options, dim);
}

}  // namespace freshet::ps
