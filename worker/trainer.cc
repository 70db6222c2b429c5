#include "worker/trainer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "common/cluster/limits.h"

namespace freshet::worker {
namespace {

// How many steps are pulled before they are computed. In bsp the parameters of a step are those
// that the step before left: none.
size_t StepsAhead(const TrainingSettings& training) {
  return training.consistency == Consistency::kBsp ? 0 : training.batches_ahead;
}

uint64_t PushLimit(const TrainingSettings& training) {
  return std::clamp(training.pushes_in_flight, 1U, kMaxPushesInFlight);
}

template <typename T>
std::vector<std::span<T>> Views(std::vector<std::vector<float>>& arrays) {
  return {arrays.begin(), arrays.end()};
}

// Zeros, of the same shapes.
std::vector<std::vector<float>> ZerosLike(const std::vector<std::vector<float>>& arrays) {
  std::vector<std::vector<float>> zeros;
  zeros.reserve(arrays.size());
  for (const std::vector<float>& array : arrays) {
    zeros.emplace_back(array.size(), 0.0F);
  }
  return zeros;
}

double MeanLogLoss(std::span<const Score> scores) {
  double sum = 0.0;
  for (const Score& score : scores) {
    sum += double{score.log_loss};
  }
  return scores.empty() ? 0.0 : sum / static_cast<double>(scores.size());
}

}  // namespace

Trainer::Trainer(const JobConfig& job,
                 Model& model,
                 ScoreGroups groups,
                 HeldOut held_out,
                 Clock& clock,
                 BatchReader& reader,
                 PsClient& client,
                 Progress& progress,
                 WorkerMetrics& metrics,
                 std::function<void(const StepReport&)> on_step,
                 const std::function<void(const Status&)>& on_error)
    : job_(job),
      model_(model),
      groups_(std::move(groups)),
      clock_(clock),
      progress_(progress),
      metrics_(metrics),
      on_step_(std::move(on_step)),
      pulls_(reader,
             std::move(held_out),
             client,
             progress,
             clock,
             metrics,
             StepsAhead(job.training),
             on_error),
      pushes_(client,
              progress,
              clock,
              metrics,
              StepsAhead(job.training) > 0,
              PushLimit(job.training),
              on_error) {}

bool Trainer::Run() {
  const bool finished = TrainAll();
  pulls_.Stop();
  pushes_.Stop();
  return finished;
}

bool Trainer::TrainAll() {
  while (const std::shared_ptr<Step> step = pulls_.Next()) {
    if (!Train(step)) {
      return false;
    }
    if (step->last) {
      return progress_.AwaitAcknowledged();
    }
  }
  return false;
}

// False: the session has ended.
bool Trainer::ScoreHeldOut(const Step& step, std::vector<Score>* scores) {
  if (step.held_out == nullptr) {
    return true;
  }
  if (!progress_.AwaitPulled(*step.held_out)) {
    return false;
  }
  const Batch& batch = step.held_out->batch;
  logits_.resize(batch.size());
  model_.Score(batch,
               {.embeddings = Views<const float>(step.held_out->embeddings),
                .dense = Views<const float>(step.held_out->dense),
                .products = job_.training.dense_products},
               logits_);
  const size_t first = scores->size();
  AddScores(batch, scores);
  for (size_t i = first; i < scores->size(); ++i) {
    Score& score = (*scores)[i];
    score.held_out = true;
    score.slices = uint32_t{1} << job_.evaluation.slices.size();
  }
  return true;
}

// False: the session has ended.
bool Trainer::Train(const std::shared_ptr<Step>& step) {
  const auto start = clock_.Monotonic();
  if (!progress_.AwaitPulled(*step)) {
    return false;
  }
  const auto there = clock_.Monotonic();
  if (!progress_.AwaitBegin(*step)) {
    return false;
  }
  const auto begun = clock_.Monotonic();
  metrics_.held_seconds.Increment(InSeconds(begun - there));
  std::vector<Score> scores;
  std::vector<Score> held_out_scores;
  if (!step->last) {
    // First: the forward pass of the step must be the model's last one.
    if (!ScoreHeldOut(*step, &held_out_scores)) {
      return false;
    }
    Compute(step.get(), &scores);
    metrics_.pull_wait_seconds.Observe(InSeconds(there - start));
    const double compute_seconds = InSeconds(clock_.Monotonic() - begun);
    metrics_.compute_seconds.Observe(compute_seconds);
    metrics_.stage_compute.Increment(compute_seconds);
    metrics_.batch_keys.Observe(static_cast<double>(step->batch.inputs[0].keys.size()));
    metrics_.samples.Increment(static_cast<double>(step->batch.size()));
  }
  const StepReport report{
      .step = step->number, .samples = scores.size(), .mean_log_loss = MeanLogLoss(scores)};
  scores.insert(scores.end(), held_out_scores.begin(), held_out_scores.end());
  progress_.Learned(*step, std::move(scores));
  if (!progress_.AwaitPushSlot(PushLimit(job_.training))) {
    return false;
  }
  pushes_.Push(step);
  metrics_.step_seconds.Observe(InSeconds(clock_.Monotonic() - start));
  if (on_step_ && !step->last) {
    on_step_(report);
  }
  return true;
}

void Trainer::Compute(Step* step, std::vector<Score>* scores) {
  const Batch& batch = step->batch;
  const Parameters parameters{.embeddings = Views<const float>(step->embeddings),
                              .dense = Views<const float>(step->dense),
                              .products = job_.training.dense_products};
  logits_.resize(batch.size());
  model_.Score(batch, parameters, logits_);
  AddScores(batch, scores);
  if (!groups_.empty()) {
    for (size_t i = 0; i < batch.size(); ++i) {
      const ScoreGroups::Membership membership = groups_.Of(batch, i);
      (*scores)[i].slices = membership.slices;
      (*scores)[i].group = membership.group;
    }
  }
  if (!model_.ScoresAsItTrains()) {
    model_.Forward(batch, parameters, logits_);
  }
  Learn(parameters, step);
}

// From the logits.
void Trainer::AddScores(const Batch& batch, std::vector<Score>* scores) const {
  scores->reserve(scores->size() + batch.size());
  // What is measured is the rate among all samples, also where some negative ones are left out: a
  // negative sample stands for those left out beside it.
  const float shift = LogitShift(job_.model);
  const float negative_weight = std::exp(-shift);
  for (size_t i = 0; i < batch.size(); ++i) {
    const float weight = batch.labels[i] > 0.0F ? 1.0F : negative_weight;
    scores->push_back({.prediction = Sigmoid(logits_[i] + shift),
                       .log_loss = LogLoss(logits_[i] + shift, batch.labels[i]),
                       .label = batch.labels[i],
                       .weight = batch.weights[i] * weight});
  }
}

// From the logits of training.
void Trainer::Learn(const Parameters& parameters, Step* step) {
  const Batch& batch = step->batch;
  logit_gradients_.clear();
  for (size_t i = 0; i < batch.size(); ++i) {
    logit_gradients_.push_back(batch.weights[i] * (Sigmoid(logits_[i]) - batch.labels[i]));
  }
  step->embedding_gradients = ZerosLike(step->embeddings);
  step->dense_gradients = ZerosLike(step->dense);
  Gradients gradients{.embeddings = Views<float>(step->embedding_gradients),
                      .dense = Views<float>(step->dense_gradients)};
  model_.Backward(batch, parameters, logit_gradients_, &gradients);
  const auto samples = static_cast<float>(batch.size());
  for (std::vector<float>& gradient : step->dense_gradients) {
    for (float& element : gradient) {
      element /= samples;
    }
  }
}

}  // namespace freshet::worker
