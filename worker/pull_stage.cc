#include "worker/pull_stage.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace freshet::worker {

PullStage::PullStage(BatchReader& reader,
                     HeldOut held_out,
                     PsClient& client,
                     Progress& progress,
                     Clock& clock,
                     WorkerMetrics& metrics,
                     size_t ahead,
                     std::function<void(const Status&)> on_error)
    : reader_(reader),
      held_out_(std::move(held_out)),
      client_(client),
      progress_(progress),
      clock_(clock),
      metrics_(metrics),
      ahead_(ahead),
      on_error_(std::move(on_error)),
      pulled_(std::max<size_t>(ahead, 1)) {
  if (ahead_ > 0) {
    thread_ = std::thread([this] { RunAhead(); });
  }
}

PullStage::~PullStage() {
  Stop();
}

void PullStage::Stop() {
  pulled_.Close();
  if (thread_.joinable()) {
    thread_.join();  // a reader that it waits for has been stopped, or has no more
  }
  metrics_.pulled_batches.Set(0);
}

std::shared_ptr<Step> PullStage::Next() {
  if (ahead_ == 0) {
    return MakeStep();
  }
  std::optional<std::shared_ptr<Step>> step = pulled_.Take();
  metrics_.pulled_batches.Set(static_cast<double>(pulled_.size()));
  return step.value_or(nullptr);
}

void PullStage::RunAhead() {
  while (pulled_.AwaitRoom()) {
    const std::shared_ptr<Step> step = MakeStep();
    if (step == nullptr) {
      pulled_.Close();
      return;
    }
    if (!pulled_.Put(step) || step->last) {
      return;
    }
    metrics_.pulled_batches.Set(static_cast<double>(pulled_.size()));
  }
}

// Waits for a batch. Null: the session has ended.
std::shared_ptr<Step> PullStage::MakeStep() {
  std::optional<ReadBatch> batch = reader_.Take();
  if (!batch) {
    return nullptr;
  }
  auto step = std::make_shared<Step>();
  step->number = ++steps_;
  step->last = batch->last;
  // Each step of the session is a batch, but for the last.
  step->stream_step = progress_.batches_before() + step->number - (step->last ? 1 : 0);
  step->batch = std::move(batch->batch);
  step->batch.stream_step = step->stream_step;
  step->after = std::move(batch->after);
  if (step->last) {
    step->pulled = true;
    return step;
  }
  const auto start = clock_.Monotonic();
  PullHeldOut(step.get());
  Pull(step);
  metrics_.stage_pull.Increment(InSeconds(clock_.Monotonic() - start));
  return step;
}

void PullStage::Pull(const std::shared_ptr<Step>& step) {
  client_.Pull(step, [this, step](const Status& status) {
    status.ok() ? progress_.Pulled(step.get()) : on_error_(status);
  });
}

void PullStage::PullHeldOut(Step* step) {
  const Batch* const batch = held_out_.Due(step->stream_step);
  if (batch == nullptr) {
    return;
  }
  step->held_out = std::make_shared<Step>();
  step->held_out->number = step->number;
  step->held_out->stream_step = step->stream_step;
  step->held_out->batch = *batch;
  Pull(step->held_out);
}

}  // namespace freshet::worker
