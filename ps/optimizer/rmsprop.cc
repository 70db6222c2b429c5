#include "ps/optimizer/rmsprop.h"

#include <algorithm>

#include "ps/optimizer/learning_rate.h"
#include "ps/optimizer/row_kernels.h"

namespace freshet::ps {
namespace {

// One overload for each kernel: what is compiled for several machines cannot be a template.
FRESHET_TARGET_CLONES void StepRmsProp(const GradientSteps& steps,
                                       const RmsPropKernel<false, false>& kernel,
                                       std::span<const RowUpdate> updates) {
  StepRows(steps, kernel, updates);
}

FRESHET_TARGET_CLONES void StepRmsProp(const GradientSteps& steps,
                                       const RmsPropKernel<false, true>& kernel,
                                       std::span<const RowUpdate> updates) {
  StepRows(steps, kernel, updates);
}

FRESHET_TARGET_CLONES void StepRmsProp(const GradientSteps& steps,
                                       const RmsPropKernel<true, false>& kernel,
                                       std::span<const RowUpdate> updates) {
  StepRows(steps, kernel, updates);
}

FRESHET_TARGET_CLONES void StepRmsProp(const GradientSteps& steps,
                                       const RmsPropKernel<true, true>& kernel,
                                       std::span<const RowUpdate> updates) {
  StepRows(steps, kernel, updates);
}

// Tieleman, Hinton 2012, lecture 6.5; centered: Graves 2013. In PyTorch's form: epsilon outside the
// root, the learning rate outside the momentum. Lazy: a row that gets no gradient keeps its state.
// State: v [dim], then if centered the mean [dim], then with a momentum the buffer [dim].
template <bool kCentered, bool kMomentum>
class RmsProp final : public Optimizer {
 public:
  RmsProp(const proto::Optimizer& options, uint32_t dim)
      : learning_rate_(options.rmsprop().learning_rate(), options.schedule()),
        steps_(options),
        decay_(options.rmsprop().decay()),
        epsilon_(options.rmsprop().epsilon()),
        momentum_(options.rmsprop().momentum()),
        dim_(dim) {}

  uint32_t state_dim() const override {
    return (1U + (kCentered ? 1U : 0U) + (kMomentum ? 1U : 0U)) * dim_;
  }

  void InitState(const float* /*value*/, float* state) const override {
    std::fill_n(state, state_dim(), 0.0F);
  }

  void Apply(std::span<const RowUpdate> updates, uint64_t step) const override {
    const RmsPropKernel<kCentered, kMomentum> kernel{.dim = dim_,
                                                     .rate = learning_rate_.At(step),
                                                     .bounds = steps_.kernel_bounds(),
                                                     .decay = decay_,
                                                     .epsilon = epsilon_,
                                                     .momentum = momentum_};
    StepRmsProp(steps_, kernel, updates);
  }

 private:
  const LearningRate learning_rate_;
  const GradientSteps steps_;
  const float decay_;
  const float epsilon_;
  const float momentum_;
  const uint32_t dim_;
};

template <bool kCentered>
std::unique_ptr<Optimizer> MakeWithMomentum(const proto::Optimizer& options, uint32_t dim) {
  if (options.rmsprop().momentum() > 0) {
    return std::make_unique<RmsProp<kCentered, true>>(options, dim);
  }
  return std::make_unique<RmsProp<kCentered, false>>(options, dim);
}

}  // namespace

std::unique_ptr<Optimizer> MakeRmsProp(const proto::Optimizer& options, uint32_t dim) {
  return options.rmsprop().centered() ? MakeWithMomentum<true>(options, dim)
                                      : MakeWithMomentum<false>(options, dim);
}

}  // namespace freshet::ps
