#include "ps/optimizer/sgd.h"

#include "ps/optimizer/learning_rate.h"
#include "ps/optimizer/row_kernels.h"

namespace freshet::ps {
namespace {

FRESHET_TARGET_CLONES void StepSgd(const GradientSteps& steps,
                                   const SgdKernel& kernel,
                                   std::span<const RowUpdate> updates) {
  StepRows(steps, kernel, updates);
}

class Sgd final : public Optimizer {
 public:
  Sgd(const proto::Optimizer& options, uint32_t dim)
      : learning_rate_(options.sgd().learning_rate(), options.schedule()),
        steps_(options),
        kernel_{.dim = dim, .bounds = steps_.kernel_bounds()} {}

  uint32_t state_dim() const override { return 0; }

  void InitState(const float* /*value*/, float* /*state*/) const override {}

  void Apply(std::span<const RowUpdate> updates, uint64_t step) const override {
    SgdKernel kernel = kernel_;
    kernel.rate = learning_rate_.At(step);
    StepSgd(steps_, kernel, updates);
  }

 private:
  const LearningRate learning_rate_;
  const GradientSteps steps_;
  const SgdKernel kernel_;
};

}  // namespace

std::unique_ptr<Optimizer> MakeSgd(const proto::Optimizer& options, uint32_t dim) {
  return std::make_unique<Sgd>(options, dim);
}

}  // namespace freshet::ps
