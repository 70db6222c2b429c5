#include "ps/optimizer/gradient_steps.h"

namespace freshet::ps {

GradientSteps::GradientSteps(const proto::Optimizer& options)
    : clip_value_(options.clip_value() > 0 ? options.clip_value() : kNone),
      clip_norm_(options.clip_norm() > 0 ? options.clip_norm() : kNone),
      l1_(options.l1()),
      l2_(options.l2()) {
  if (options.has_weight_min()) {
    bounds_.least = options.weight_min();
  }
  if (options.has_weight_max()) {
    bounds_.most = options.weight_max();
  }
}

}  // namespace freshet::ps
