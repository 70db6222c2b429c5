#pragma once
#include <fmt/format.h>
#include <google/protobuf/text_format.h>

#include <string>
#include <vector>

#include "common/check.h"
#include "proto/model.pb.h"

namespace freshet::ps::test {

inline proto::Optimizer OptimizerOf(const std::string& text) {
  proto::Optimizer optimizer;
  FRESHET_CHECK(google::protobuf::TextFormat::ParseFromString(text, &optimizer));
  return optimizer;
}

// Each kind but ledger, and each variant of it that has code of its own, in text format.
inline std::vector<std::string> EveryKind() {
  return {
      "sgd {learning_rate: 0.05}",
      "momentum {learning_rate: 0.05 momentum: 0.9}",
      "momentum {learning_rate: 0.05 momentum: 0.9 nesterov: true}",
      "adagrad {learning_rate: 0.1 initial_accumulator: 0.1 epsilon: 1e-8}",
      "adagrad {learning_rate: 0.1 epsilon: 1e-8 accumulator_decay: 0.95}",
      "adagrad {learning_rate: 0.1 epsilon: 1e-8 row_wise: true}",
      "adagrad {learning_rate: 0.1 epsilon: 1e-8 row_wise: true accumulator_decay: 0.9}",
      "rmsprop {learning_rate: 0.01 decay: 0.9 epsilon: 1e-8}",
      "rmsprop {learning_rate: 0.01 decay: 0.9 epsilon: 1e-8 momentum: 0.5}",
      "rmsprop {learning_rate: 0.01 decay: 0.9 epsilon: 1e-8 centered: true}",
      "rmsprop {learning_rate: 0.01 decay: 0.9 epsilon: 1e-8 momentum: 0.5 centered: true}",
      "ftrl {learning_rate: 0.1 beta: 1}",
      "ftrl {learning_rate: 0.1 beta: 1 l1: 1 l2: 0.5}",
      "group_lasso_ftrl {learning_rate: 0.1 beta: 1 l1: 0.5 l2: 0.5 l21: 1}",
      "group_lasso_ftrl {learning_rate: 0.1 beta: 1}",
      "adam {learning_rate: 0.01 beta1: 0.9 beta2: 0.999 epsilon: 1e-8}",
      "adam {learning_rate: 0.01 epsilon: 1e-8}",
      "adamw {learning_rate: 0.01 beta1: 0.9 beta2: 0.99 epsilon: 1e-8 weight_decay: 0.1}",
  };
}

// What every kind takes beside its own settings.
inline std::vector<std::string> EveryExtra() {
  return {
      "",
      "clip_value: 0.5",
      "clip_norm: 1",
      "weight_min: -0.2 weight_max: 0.1",
      "weight_min: 0.01 clip_value: 1 clip_norm: 0.75",
      "schedule {warmup_steps: 50}",
      "schedule {kind: STEP decay_steps: 30 decay_rate: 0.5}",
      "schedule {kind: EXPONENTIAL warmup_steps: 10 decay_steps: 50 decay_rate: 0.5}",
      "schedule {kind: POLYNOMIAL decay_steps: 100 power: 2 end_learning_rate: 0.001}",
      "schedule {kind: COSINE warmup_steps: 20 decay_steps: 100}",
      "schedule {kind: INVERSE_SQRT warmup_steps: 20 decay_steps: 20}",
  };
}

// What every kind but the ftrl kinds takes, which have their own l1 and l2.
inline std::vector<std::string> EveryRegularisation() {
  return {
      "l1: 0.05",
      "l2: 0.1",
      "l1: 0.05 l2: 0.1 clip_value: 1 clip_norm: 1.5 weight_min: -0.2 weight_max: 0.3 "
      "schedule {kind: COSINE warmup_steps: 20 decay_steps: 100}",
  };
}

// Each kind with each extra that it takes, alone or among others.
inline std::vector<std::string> EveryOptimizer() {
  std::vector<std::string> all;
  for (const std::string& kind : EveryKind()) {
    for (const std::string& extra : EveryExtra()) {
      all.push_back(fmt::format("{} {}", kind, extra));
    }
    if (kind.find("ftrl") == std::string::npos) {
      for (const std::string& extra : EveryRegularisation()) {
        all.push_back(fmt::format("{} {}", kind, extra));
      }
    }
  }
  return all;
}

}  // namespace freshet::ps::test
