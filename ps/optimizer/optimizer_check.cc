#include "ps/optimizer/optimizer_check.h"

#include <cmath>

#include "common/model/optimizer_limits.h"

namespace freshet::ps {
namespace {

Status CheckAtLeast(const std::string& where, const char* field, float value, float least) {
  if (std::isfinite(value) && value >= least) {
    return absl::OkStatus();
  }
  return InvalidArgument("{}: {} is {}, must be at least {}", where, field, value, least);
}

Status CheckPositive(const std::string& where, const char* field, float value) {
  if (std::isfinite(value) && value > 0) {
    return absl::OkStatus();
  }
  return InvalidArgument("{}: {} is {}, must be above 0", where, field, value);
}

Status CheckDecay(const std::string& where, const char* field, float value) {
  if (value >= 0 && value < 1) {
    return absl::OkStatus();
  }
  return InvalidArgument("{}: {} is {}, must be in [0, 1)", where, field, value);
}

Status CheckInRange(
    const std::string& where, const char* field, float value, float least, float most) {
  if (value >= least && value <= most) {
    return absl::OkStatus();
  }
  return InvalidArgument("{}: {} is {}, must be from {} to {}", where, field, value, least, most);
}

Status CheckLearningRate(const std::string& where, float value) {
  FRESHET_RETURN_IF_ERROR(CheckPositive(where, "learning_rate", value));
  return CheckInRange(where, "learning_rate", value, 0, kMaxLearningRate);
}

Status CheckAdagrad(const std::string& where, const proto::Adagrad& adagrad) {
  FRESHET_RETURN_IF_ERROR(CheckLearningRate(where, adagrad.learning_rate()));
  FRESHET_RETURN_IF_ERROR(
      CheckAtLeast(where, "initial_accumulator", adagrad.initial_accumulator(), 0));
  FRESHET_RETURN_IF_ERROR(CheckAtLeast(where, "epsilon", adagrad.epsilon(), 0));
  FRESHET_RETURN_IF_ERROR(
      CheckInRange(where, "accumulator_decay", adagrad.accumulator_decay(), 0, 1));
  if (adagrad.initial_accumulator() == 0 && adagrad.epsilon() == 0) {
    return InvalidArgument(
        "{}: initial_accumulator and epsilon are both 0, one must be above 0: a zero gradient "
        "would give 0/0",
        where);
  }
  const float decay = adagrad.accumulator_decay();  // 0 stands for 1
  if (decay > 0 && decay < 1 && adagrad.epsilon() == 0) {
    return InvalidArgument(
        "{}: epsilon is 0, must be above 0 with an accumulator_decay below 1: zero gradients would "
        "bring the accumulator to 0, and then give 0/0",
        where);
  }
  return absl::OkStatus();
}

Status CheckMomentum(const std::string& where, const proto::Momentum& momentum) {
  FRESHET_RETURN_IF_ERROR(CheckLearningRate(where, momentum.learning_rate()));
  return CheckDecay(where, "momentum", momentum.momentum());
}

Status CheckRmsProp(const std::string& where, const proto::RmsProp& rmsprop) {
  FRESHET_RETURN_IF_ERROR(CheckLearningRate(where, rmsprop.learning_rate()));
  FRESHET_RETURN_IF_ERROR(CheckDecay(where, "decay", rmsprop.decay()));
  FRESHET_RETURN_IF_ERROR(CheckDecay(where, "momentum", rmsprop.momentum()));
  return CheckPositive(where, "epsilon", rmsprop.epsilon());
}

Status CheckStrength(const std::string& where, const char* field, float value) {
  return CheckInRange(where, field, value, 0, kMaxFtrlStrength);
}

// Ftrl: proto::Ftrl or proto::GroupLassoFtrl.
template <typename Ftrl>
Status CheckFtrl(const std::string& where, const Ftrl& ftrl) {
  FRESHET_RETURN_IF_ERROR(CheckLearningRate(where, ftrl.learning_rate()));
  FRESHET_RETURN_IF_ERROR(CheckStrength(where, "beta", ftrl.beta()));
  FRESHET_RETURN_IF_ERROR(CheckStrength(where, "l1", ftrl.l1()));
  return CheckStrength(where, "l2", ftrl.l2());
}

// Adam: proto::Adam or proto::AdamW.
template <typename Adam>
Status CheckAdam(const std::string& where, const Adam& adam) {
  FRESHET_RETURN_IF_ERROR(CheckLearningRate(where, adam.learning_rate()));
  FRESHET_RETURN_IF_ERROR(CheckDecay(where, "beta1", adam.beta1()));
  FRESHET_RETURN_IF_ERROR(CheckDecay(where, "beta2", adam.beta2()));
  return CheckPositive(where, "epsilon", adam.epsilon());
}

Status CheckAdamW(const std::string& where, const proto::AdamW& adamw) {
  FRESHET_RETURN_IF_ERROR(CheckAdam(where, adamw));
  FRESHET_RETURN_IF_ERROR(CheckAtLeast(where, "weight_decay", adamw.weight_decay(), 0));
  const float share = adamw.learning_rate() * adamw.weight_decay();
  if (share > 1) {
    return InvalidArgument(
        "{}: learning_rate * weight_decay is {}, must be at most 1: a step takes that share of the "
        "value away",
        where,
        share);
  }
  return absl::OkStatus();
}

Status CheckKind(const std::string& where, const proto::Optimizer& optimizer) {
  switch (optimizer.kind_case()) {
    case proto::Optimizer::kSgd:
      return CheckLearningRate(where, optimizer.sgd().learning_rate());
    case proto::Optimizer::kMomentum:
      return CheckMomentum(where, optimizer.momentum());
    case proto::Optimizer::kAdagrad:
      return CheckAdagrad(where, optimizer.adagrad());
    case proto::Optimizer::kRmsprop:
      return CheckRmsProp(where, optimizer.rmsprop());
    case proto::Optimizer::kFtrl:
      return CheckFtrl(where, optimizer.ftrl());
    case proto::Optimizer::kGroupLassoFtrl:
      FRESHET_RETURN_IF_ERROR(CheckStrength(where, "l21", optimizer.group_lasso_ftrl().l21()));
      return CheckFtrl(where, optimizer.group_lasso_ftrl());
    case proto::Optimizer::kAdam:
      return CheckAdam(where, optimizer.adam());
    case proto::Optimizer::kAdamw:
      return CheckAdamW(where, optimizer.adamw());
    case proto::Optimizer::kLedger:
      return absl::OkStatus();
    case proto::Optimizer::KIND_NOT_SET:
      break;
  }
  return InvalidArgument("{}: has no optimizer, or one that this server does not know", where);
}

Status CheckSchedule(const std::string& where, const proto::LearningRateSchedule& schedule) {
  using Schedule = proto::LearningRateSchedule;
  if (!Schedule::Kind_IsValid(schedule.kind())) {
    return InvalidArgument("{}: schedule {} is unknown", where, int{schedule.kind()});
  }
  if (schedule.kind() != Schedule::CONSTANT && schedule.decay_steps() == 0) {
    return InvalidArgument("{}: decay_steps of the schedule is 0, must be above 0", where);
  }
  if (schedule.kind() == Schedule::STEP || schedule.kind() == Schedule::EXPONENTIAL) {
    FRESHET_RETURN_IF_ERROR(CheckPositive(where, "decay_rate", schedule.decay_rate()));
    return CheckInRange(where, "decay_rate", schedule.decay_rate(), 0, 1);
  }
  if (schedule.kind() == Schedule::POLYNOMIAL) {
    FRESHET_RETURN_IF_ERROR(CheckPositive(where, "power", schedule.power()));
  }
  return CheckInRange(
      where, "end_learning_rate", schedule.end_learning_rate(), 0, kMaxLearningRate);
}

// What every kind but ledger takes.
Status CheckGradientSteps(const std::string& where, const proto::Optimizer& optimizer) {
  FRESHET_RETURN_IF_ERROR(CheckAtLeast(where, "l1", optimizer.l1(), 0));
  FRESHET_RETURN_IF_ERROR(CheckAtLeast(where, "l2", optimizer.l2(), 0));
  const bool own = optimizer.has_ftrl() || optimizer.has_group_lasso_ftrl();
  if (own && (optimizer.l1() > 0 || optimizer.l2() > 0)) {
    return InvalidArgument("{}: l1 and l2 of ftrl kinds are their own, not the optimizer's", where);
  }
  FRESHET_RETURN_IF_ERROR(CheckAtLeast(where, "clip_value", optimizer.clip_value(), 0));
  FRESHET_RETURN_IF_ERROR(CheckAtLeast(where, "clip_norm", optimizer.clip_norm(), 0));
  const float least = optimizer.has_weight_min() ? optimizer.weight_min() : -kMaxWeight;
  const float most = optimizer.has_weight_max() ? optimizer.weight_max() : kMaxWeight;
  FRESHET_RETURN_IF_ERROR(CheckInRange(where, "weight_max", most, -kMaxWeight, kMaxWeight));
  FRESHET_RETURN_IF_ERROR(CheckInRange(where, "weight_min", least, -kMaxWeight, most));
  return CheckSchedule(where, optimizer.schedule());
}

}  // namespace

Status CheckOptimizer(const std::string& where, const proto::Optimizer& optimizer) {
  FRESHET_RETURN_IF_ERROR(CheckKind(where, optimizer));
  return CheckGradientSteps(where, optimizer);
}

}  // namespace freshet::ps
