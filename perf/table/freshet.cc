#include "perf/table/freshet.h"

#include "common/check.h"
#include "perf/table/contestant.h"

namespace freshet::perf {
namespace {

class Freshet final : public Contestant {
 public:
  explicit Freshet(const TableShape& shape) : table_(AdagradVariable(shape.dim)) {}

  void Pull(const Batch& batch, std::span<float> values) override {
    FRESHET_CHECK(table_.Pull(batch.keys, {}, values).ok());
  }

  void Push(const Batch& batch, std::span<const float> gradients) override {
    ++context_.step;
    FRESHET_CHECK(table_.Push(batch.keys, {}, gradients, context_).ok());
  }

 private:
  ps::EmbeddingTable table_;
  ps::PushContext context_ = {.event_time_s = 1};
};

proto::EmbeddingVariable Variable(uint32_t dim) {
  proto::EmbeddingVariable variable;
  variable.set_name("bench");
  variable.set_dim(dim);
  proto::Initializer& initializer = *variable.add_initializers();
  initializer.set_kind(proto::Initializer::CONSTANT);
  initializer.set_scale(kInitialValue);
  return variable;
}

}  // namespace

proto::EmbeddingVariable AdagradVariable(uint32_t dim) {
  proto::EmbeddingVariable variable = Variable(dim);
  proto::Adagrad& adagrad = *variable.mutable_optimizer()->mutable_adagrad();
  adagrad.set_learning_rate(kLearningRate);
  adagrad.set_initial_accumulator(kInitialAccumulator);
  adagrad.set_epsilon(kEpsilon);
  return variable;
}

proto::EmbeddingVariable SgdVariable(uint32_t dim) {
  proto::EmbeddingVariable variable = Variable(dim);
  variable.mutable_optimizer()->mutable_sgd()->set_learning_rate(kLearningRate);
  return variable;
}

std::unique_ptr<Contestant> MakeFreshet(const TableShape& shape) {
  return std::make_unique<Freshet>(shape);
}

}  // namespace freshet::perf
