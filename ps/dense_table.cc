#include "ps/dense_table.h"

#include <algorithm>
#include <utility>

#include "ps/initializer.h"
#include "ps/mix.h"
#include "ps/model_check.h"

namespace freshet::ps {

DenseTable::DenseTable(const proto::DenseVariable& variable)
    : variable_(variable),
      elements_(ElementsOf(variable)),
      optimizer_(MakeOptimizer(variable.optimizer(), elements_)),
      values_(size_t{elements_} + optimizer_->state_dim()) {
  const std::vector<proto::Initializer> initializers = {variable.initializer()};
  RowInitializer(initializers, variable.seed(), elements_).Fill(0, {values_.data(), elements_});
  optimizer_->InitState(values_.data(), values_.data() + elements_);
}

void DenseTable::Pull(std::span<float> values) const {
  std::copy_n(values_.begin(), elements_, values.begin());
}

void DenseTable::Push(std::span<const float> gradient, uint64_t step) {
  if (in_cut_ && !cut_) {
    cut_ = Copy();
  }
  dirty_ = true;
  const RowUpdate update{
      .value = values_.data(), .state = values_.data() + elements_, .gradient = gradient.data()};
  optimizer_->Apply({&update, 1}, step);
}

void DenseTable::BeginCut(bool full) {
  in_cut_ = full || dirty_;
  dirty_before_cut_ = dirty_;
  dirty_ = false;
  cut_.reset();
}

DenseTensor DenseTable::Copy() const {
  return {.variable = variable_.name(),
          .shape = {variable_.shape().begin(), variable_.shape().end()},
          .values = {values_.begin(), values_.begin() + elements_},
          .states = {values_.begin() + elements_, values_.end()}};
}

std::optional<DenseTensor> DenseTable::TakeCut() {
  if (!in_cut_) {
    return std::nullopt;
  }
  in_cut_ = false;
  return cut_ ? std::exchange(cut_, std::nullopt) : Copy();
}

void DenseTable::EndCut(bool committed) {
  dirty_ = dirty_ || (!committed && dirty_before_cut_);
  in_cut_ = false;
  cut_.reset();
}

Status DenseTable::CheckShape(const DenseTensor& tensor) const {
  if (tensor.values.size() != elements_ || tensor.states.size() != values_.size() - elements_) {
    return DataLoss("dense variable {}: {} values and {} floats of state, the model says {} and {}",
                    name(),
                    tensor.values.size(),
                    tensor.states.size(),
                    elements_,
                    values_.size() - elements_);
  }
  return absl::OkStatus();
}

Status DenseTable::Blend(const DenseTensor& tensor, float weight) {
  FRESHET_RETURN_IF_ERROR(CheckShape(tensor));
  for (size_t i = 0; i < elements_; ++i) {
    values_[i] = Mix(values_[i], tensor.values[i], weight);
  }
  return absl::OkStatus();
}

Status DenseTable::Load(const DenseTensor& tensor) {
  FRESHET_RETURN_IF_ERROR(CheckShape(tensor));
  std::copy(tensor.values.begin(), tensor.values.end(), values_.begin());
  std::copy(tensor.states.begin(), tensor.states.end(), values_.begin() + elements_);
  dirty_ = false;
  return absl::OkStatus();
}

}  // namespace freshet::ps
