#pragma once
#include <cstdint>

#include "proto/model.pb.h"

namespace freshet::ps {

// The learning rate of each step of the stream, never above the one that is set. Exact formulas:
// docs/optimizers.md. Immutable after construction.
class LearningRate {
 public:
  // The options have passed CheckModel.
  LearningRate(float learning_rate, const proto::LearningRateSchedule& schedule);

  // The learning rate that is set.
  float base() const { return base_; }

  // Whether At depends on the step.
  bool changes() const { return changes_; }

  // `step` counts from 1; 0 is as 1.
  float At(uint64_t step) const { return changes_ ? Scheduled(step) : base_; }

 private:
  float Scheduled(uint64_t step) const;

  const proto::LearningRateSchedule schedule_;
  const float base_;
  const bool changes_;
};

}  // namespace freshet::ps
