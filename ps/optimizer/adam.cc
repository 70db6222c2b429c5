#include "ps/optimizer/adam.h"

#include <algorithm>
#include <cmath>

namespace freshet::ps {
namespace {

// Kingma, Ba 2015, in TensorFlow's form ("epsilon hat"), lazy: a row that gets no gradient keeps
// its moments, and counts its own steps.
// State: m [dim], v [dim], then the step count. The count is a float so that numpy reads the state
// as it is; it stops at 2^24, where both corrections have long become 1.
class Adam final : public Optimizer {
 public:
  Adam(const proto::Adam& options, uint32_t dim)
      : learning_rate_(options.learning_rate()),
        beta1_(options.beta1()),
        beta2_(options.beta2()),
        epsilon_(options.epsilon()),
        dim_(dim) {}

  uint32_t state_dim() const override { return 2 * dim_ + 1; }

  void InitState(const float* /*value*/, float* state) const override {
    std::fill_n(state, state_dim(), 0.0F);
  }

  void Apply(std::span<const RowUpdate> updates, uint64_t /*step*/) const override {
    for (const RowUpdate& update : updates) {
      float* const value = update.value;
      float* const m = update.state;
      float* const v = m + dim_;
      float& step = v[dim_];
      step += 1.0F;
      const float rate = StepRate(step);
      for (uint32_t column = 0; column < dim_; ++column) {
        const float gradient = update.gradient[column];
        m[column] = beta1_ * m[column] + (1.0F - beta1_) * gradient;
        v[column] = beta2_ * v[column] + (1.0F - beta2_) * (gradient * gradient);
        value[column] -= rate * m[column] / (std::sqrt(v[column]) + epsilon_);
      }
    }
  }

 private:
  float StepRate(double step) const {
    return static_cast<float>(double{learning_rate_} *
                              std::sqrt(1.0 - std::pow(double{beta2_}, step)) /
                              (1.0 - std::pow(double{beta1_}, step)));
  }

  const float learning_rate_;
  const float beta1_;
  const float beta2_;
  const float epsilon_;
  const uint32_t dim_;
};

}  // namespace

std::unique_ptr<Optimizer> MakeAdam(const proto::Adam& options, uint32_t dim) {
  return std::make_unique<Adam>(options, dim);
}

}  // namespace freshet::ps
