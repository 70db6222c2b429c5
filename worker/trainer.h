#pragma once
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "common/env/clock.h"
#include "common/job/job_config.h"
#include "common/model/model.h"
#include "worker/batch_reader.h"
#include "worker/held_out.h"
#include "worker/metrics.h"
#include "worker/options.h"
#include "worker/progress.h"
#include "worker/ps_client.h"
#include "worker/pull_stage.h"
#include "worker/push_stage.h"
#include "worker/score_groups.h"
#include "worker/step.h"

namespace freshet::worker {

// The training loop of one session: takes steps as the pull stage has them, scores each sample
// before it is learned, computes gradients, and hands them to the push stage. One thread.
//
// Gradients: embedding gradients are sums over the batch; dense ones are divided by its samples.
class Trainer {
 public:
  // All borrowed things outlive the trainer, and `client` is closed before it is destroyed.
  // `on_error` is told of pulls and pushes that failed for good, on any thread.
  Trainer(const JobConfig& job,
          Model& model,
          ScoreGroups groups,
          HeldOut held_out,
          Clock& clock,
          BatchReader& reader,
          PsClient& client,
          Progress& progress,
          WorkerMetrics& metrics,
          std::function<void(const StepReport&)> on_step,
          const std::function<void(const Status&)>& on_error);

  // Trains until the streams have ended and all is acknowledged, true, or the session ends, false.
  bool Run();

 private:
  bool TrainAll();
  bool Train(const std::shared_ptr<Step>& step);
  bool ScoreHeldOut(const Step& step, std::vector<Score>* scores);
  void Compute(Step* step, std::vector<Score>* scores);
  void AddScores(const Batch& batch, std::vector<Score>* scores) const;
  void Learn(const Parameters& parameters, Step* step);

  const JobConfig& job_;
  Model& model_;
  const ScoreGroups groups_;
  Clock& clock_;
  Progress& progress_;
  WorkerMetrics& metrics_;
  const std::function<void(const StepReport&)> on_step_;
  PullStage pulls_;
  PushStage pushes_;
  std::vector<float> logits_;
  std::vector<float> logit_gradients_;
};

}  // namespace freshet::worker
