#include "ps/optimizer/adam.h"

#include <algorithm>
#include <vector>

#include "ps/optimizer/learning_rate.h"
#include "ps/optimizer/row_kernels.h"

namespace freshet::ps {
namespace {

FRESHET_TARGET_CLONES void StepAdam(const GradientSteps& steps,
                                    const AdamKernel& kernel,
                                    std::span<const RowUpdate> updates) {
  StepRows(steps, kernel, updates);
}

// Kingma, Ba 2015, in TensorFlow's form ("epsilon hat"), lazy: a row that gets no gradient keeps
// its moments, and counts its own steps. With a weight decay: Loshchilov, Hutter 2019.
// State: m [dim], v [dim], then the step count. The count is a float so that numpy reads the state
// as it is; it stops at 2^24, where both corrections have long become 1.
class Adam final : public Optimizer {
 public:
  // Options: proto::Adam or proto::AdamW.
  template <typename Options>
  Adam(const proto::Optimizer& all, const Options& options, float weight_decay, uint32_t dim)
      : learning_rate_(options.learning_rate(), all.schedule()),
        steps_(all),
        beta1_(options.beta1()),
        beta2_(options.beta2()),
        epsilon_(options.epsilon()),
        weight_decay_(weight_decay),
        dim_(dim) {
    corrections_.reserve(AdamKernel::kCorrections);
    for (uint32_t t = 1; t <= AdamKernel::kCorrections; ++t) {
      corrections_.emplace_back(beta1_, beta2_, t);
    }
  }

  uint32_t state_dim() const override { return 2 * dim_ + 1; }

  void InitState(const float* /*value*/, float* state) const override {
    std::fill_n(state, state_dim(), 0.0F);
  }

  void Apply(std::span<const RowUpdate> updates, uint64_t step) const override {
    const float rate = learning_rate_.At(step);
    StepAdam(steps_,
             {.dim = dim_,
              .rate = rate,
              .bounds = steps_.kernel_bounds(),
              .beta1 = beta1_,
              .beta2 = beta2_,
              .epsilon = epsilon_,
              .keep = 1.0F - rate * weight_decay_,
              .corrections = corrections_.data()},
             updates);
  }

 private:
  const LearningRate learning_rate_;
  const GradientSteps steps_;
  const float beta1_;
  const float beta2_;
  const float epsilon_;
  const float weight_decay_;
  const uint32_t dim_;
  std::vector<AdamCorrection> corrections_;
};

}  // namespace

std::unique_ptr<Optimizer> MakeAdam(const proto::Optimizer& options, uint32_t dim) {
  return std::make_unique<Adam>(options, options.adam(), 0.0F, dim);
}

std::unique_ptr<Optimizer> MakeAdamW(const proto::Optimizer& options, uint32_t dim) {
  return std::make_unique<Adam>(options, options.adamw(), options.adamw().weight_decay(), dim);
}

}  // namespace freshet::ps
