#include "ps/optimizer/learning_rate.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace freshet::ps {

LearningRate::LearningRate(float learning_rate, const proto::LearningRateSchedule& schedule)
    : schedule_(schedule),
      base_(learning_rate),
      changes_(schedule.kind() != proto::LearningRateSchedule::CONSTANT ||
               schedule.warmup_steps() > 0) {}

// In double precision, rounded once.
float LearningRate::Scheduled(uint64_t step) const {
  const double base = base_;
  const uint64_t warmup = schedule_.warmup_steps();
  const uint64_t at = std::max<uint64_t>(step, 1);
  if (at < warmup) {
    return static_cast<float>(base * (static_cast<double>(at) / static_cast<double>(warmup)));
  }
  const uint64_t since = at - warmup;
  const auto period = static_cast<double>(schedule_.decay_steps());
  const double elapsed = static_cast<double>(since) / period;
  const double end = schedule_.end_learning_rate();
  double rate = base;
  switch (schedule_.kind()) {
    case proto::LearningRateSchedule::STEP: {
      const uint64_t drops = since / schedule_.decay_steps();
      rate = base * std::pow(double{schedule_.decay_rate()}, static_cast<double>(drops));
      break;
    }
    case proto::LearningRateSchedule::EXPONENTIAL:
      rate = base * std::pow(double{schedule_.decay_rate()}, elapsed);
      break;
    case proto::LearningRateSchedule::POLYNOMIAL:
      rate = end + (base - end) * std::pow(1.0 - std::min(elapsed, 1.0), double{schedule_.power()});
      break;
    case proto::LearningRateSchedule::COSINE:
      rate =
          end + (base - end) * (0.5 * (1.0 + std::cos(std::numbers::pi * std::min(elapsed, 1.0))));
      break;
    case proto::LearningRateSchedule::INVERSE_SQRT:
      rate = base * std::sqrt(period / (static_cast<double>(since) + period));
      break;
    default:
      break;  // constant, after a warm-up
  }
  return static_cast<float>(rate);
}

}  // namespace freshet::ps
