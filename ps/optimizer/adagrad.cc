#include "ps/optimizer/adagrad.h"

#include <algorithm>
#include <cmath>

namespace freshet::ps {
namespace {

// Duchi, Hazan, Singer 2011, diagonal. State: the sum of squared gradients [dim].
class Adagrad final : public Optimizer {
 public:
  Adagrad(const proto::Adagrad& options, uint32_t dim)
      : learning_rate_(options.learning_rate()),
        initial_accumulator_(options.initial_accumulator()),
        epsilon_(options.epsilon()),
        dim_(dim) {}

  uint32_t state_dim() const override { return dim_; }

  void InitState(const float* /*value*/, float* state) const override {
    std::fill_n(state, dim_, initial_accumulator_);
  }

  void Apply(std::span<const RowUpdate> updates, uint64_t /*step*/) const override {
    for (const RowUpdate& update : updates) {
      float* const value = update.value;
      float* const accumulator = update.state;
      for (uint32_t column = 0; column < dim_; ++column) {
        const float gradient = update.gradient[column];
        accumulator[column] += gradient * gradient;
        value[column] -= learning_rate_ * gradient / (std::sqrt(accumulator[column]) + epsilon_);
      }
    }
  }

 private:
  const float learning_rate_;
  const float initial_accumulator_;
  const float epsilon_;
  const uint32_t dim_;
};

}  // namespace

std::unique_ptr<Optimizer> MakeAdagrad(const proto::Adagrad& options, uint32_t dim) {
  return std::make_unique<Adagrad>(options, dim);
}

}  // namespace freshet::ps
