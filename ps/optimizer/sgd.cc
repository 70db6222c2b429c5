#include "ps/optimizer/sgd.h"

namespace freshet::ps {
namespace {

class Sgd final : public Optimizer {
 public:
  Sgd(const proto::Sgd& options, uint32_t dim)
      : learning_rate_(options.learning_rate()), dim_(dim) {}

  uint32_t state_dim() const override { return 0; }

  void InitState(const float* /*value*/, float* /*state*/) const override {}

  void Apply(std::span<const RowUpdate> updates, uint64_t /*step*/) const override {
    for (const RowUpdate& update : updates) {
      for (uint32_t column = 0; column < dim_; ++column) {
        update.value[column] -= learning_rate_ * update.gradient[column];
      }
    }
  }

 private:
  const float learning_rate_;
  const uint32_t dim_;
};

}  // namespace

std::unique_ptr<Optimizer> MakeSgd(const proto::Sgd& options, uint32_t dim) {
  return std::make_unique<Sgd>(options, dim);
}

}  // namespace freshet::ps
