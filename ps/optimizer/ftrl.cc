#include "ps/optimizer/ftrl.h"

#include <algorithm>
#include <cmath>

namespace freshet::ps {
namespace {

// FTRL-Proximal, McMahan et al. 2013, algorithm 1. State: z [dim], then n [dim].
class Ftrl final : public Optimizer {
 public:
  Ftrl(const proto::Ftrl& options, uint32_t dim)
      : learning_rate_(options.learning_rate()),
        beta_(options.beta()),
        l1_(options.l1()),
        l2_(options.l2()),
        dim_(dim) {}

  uint32_t state_dim() const override { return 2 * dim_; }

  // The z for which the closed form below gives back the initial value. With z = 0 the first
  // push would throw that value away, and the factors of an fm would never leave zero.
  void InitState(const float* value, float* z) const override {
    for (uint32_t column = 0; column < dim_; ++column) {
      const float w = value[column];
      const float pull = w == 0.0F ? 0.0F : std::copysign(l1_, w);
      z[column] = -(w * (beta_ / learning_rate_ + l2_) + pull);
    }
    std::fill_n(z + dim_, dim_, 0.0F);
  }

  void Apply(std::span<const RowUpdate> updates, uint64_t /*step*/) const override {
    for (const RowUpdate& update : updates) {
      float* const value = update.value;
      float* const z = update.state;
      float* const n = z + dim_;
      for (uint32_t column = 0; column < dim_; ++column) {
        const float gradient = update.gradient[column];
        const float n_after = n[column] + gradient * gradient;
        const float root = std::sqrt(n_after);
        const float sigma = (root - std::sqrt(n[column])) / learning_rate_;
        z[column] += gradient - sigma * value[column];
        n[column] = n_after;
        value[column] = std::abs(z[column]) <= l1_ ? 0.0F
                                                   : (std::copysign(l1_, z[column]) - z[column]) /
                                                         ((beta_ + root) / learning_rate_ + l2_);
      }
    }
  }

 private:
  const float learning_rate_;
  const float beta_;
  const float l1_;
  const float l2_;
  const uint32_t dim_;
};

}  // namespace

std::unique_ptr<Optimizer> MakeFtrl(const proto::Ftrl& options, uint32_t dim) {
  return std::make_unique<Ftrl>(options, dim);
}

}  // namespace freshet::ps
