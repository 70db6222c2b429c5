#include "coordinator/early_stopping.h"

namespace freshet::coordinator {

EvaluationSums WindowOf(const proto::Manifest& manifest) {
  EvaluationSums sums;
  for (const proto::WorkerState& worker : manifest.workers()) {
    sums.Merge(EvaluationSums(worker.window()));
  }
  return sums;
}

proto::EarlyStopping Assess(const EarlyStoppingSettings& rules,
                            size_t held_out,
                            const proto::Manifest& head,
                            const proto::Manifest& manifest) {
  proto::EarlyStopping state = head.early_stopping();
  if (state.stopped()) {
    return state;
  }
  EvaluationSums sums(state.pending());
  sums.Merge(WindowOf(manifest).Slice(held_out));
  if (sums.samples() < rules.samples) {
    *state.mutable_pending() = sums.ToProto();
    return state;
  }
  state.clear_pending();
  const double log_loss = sums.MeanLogLoss();
  const bool improved =
      state.best_version() == 0 || log_loss < state.best_log_loss() - rules.min_improvement;
  if (improved) {
    state.set_best_version(manifest.version());
    state.set_best_log_loss(log_loss);
    state.set_without_improvement(0);
  } else {
    state.set_without_improvement(state.without_improvement() + 1);
  }
  return state;
}

bool IsOver(const EarlyStoppingSettings& rules, const proto::EarlyStopping& state, bool finished) {
  return !state.stopped() && state.without_improvement() >= (finished ? 1 : rules.patience);
}

}  // namespace freshet::coordinator
