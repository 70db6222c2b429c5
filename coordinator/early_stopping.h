#pragma once
#include <cstddef>

#include "common/job/job_config.h"
#include "common/metrics/evaluation.h"
#include "proto/manifest.pb.h"

// When training over files has learned all that helps (training.early_stopping).
namespace freshet::coordinator {

// The scores of the samples since the version before, of all workers.
EvaluationSums WindowOf(const proto::Manifest& manifest);

// What the version that `manifest` is about to commit knows of early stopping: what the version
// before it knew, and an assessment if there are enough scores in slice `held_out`. A function of
// its arguments alone.
proto::EarlyStopping Assess(const EarlyStoppingSettings& rules,
                            size_t held_out,
                            const proto::Manifest& head,
                            const proto::Manifest& manifest);

// Whether training is to go back to the best version and stop there. `finished`: the streams have
// ended, so nothing better can come.
bool IsOver(const EarlyStoppingSettings& rules, const proto::EarlyStopping& state, bool finished);

}  // namespace freshet::coordinator
