#include "worker/push_stage.h"

#include <utility>

namespace freshet::worker {

PushStage::PushStage(PsClient& client,
                     Progress& progress,
                     Clock& clock,
                     WorkerMetrics& metrics,
                     bool own_thread,
                     size_t limit,
                     std::function<void(const Status&)> on_error)
    : client_(client),
      progress_(progress),
      clock_(clock),
      metrics_(metrics),
      on_error_(std::move(on_error)),
      waiting_(limit) {
  if (own_thread) {
    thread_ = std::thread([this] {
      while (const auto step = waiting_.Take()) {
        metrics_.pushed_batches.Set(static_cast<double>(waiting_.size()));
        Send(*step);
      }
    });
  }
}

PushStage::~PushStage() {
  Stop();
}

void PushStage::Stop() {
  waiting_.Close();
  if (thread_.joinable()) {
    thread_.join();
  }
  metrics_.pushed_batches.Set(0);
}

void PushStage::Push(const std::shared_ptr<Step>& step) {
  if (!thread_.joinable()) {
    Send(step);
  } else if (waiting_.Put(step)) {
    metrics_.pushed_batches.Set(static_cast<double>(waiting_.size()));
  }
}

void PushStage::Send(const std::shared_ptr<Step>& step) {
  const auto start = clock_.Monotonic();
  client_.Push(step, [this, number = step->number, start](const Status& status) {
    if (!status.ok()) {
      on_error_(status);
      return;
    }
    metrics_.push_seconds.Observe(InSeconds(clock_.Monotonic() - start));
    progress_.Acknowledged(number);
  });
  metrics_.stage_push.Increment(InSeconds(clock_.Monotonic() - start));
}

}  // namespace freshet::worker
