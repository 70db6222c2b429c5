#pragma once
#include <functional>
#include <memory>
#include <thread>

#include "common/env/clock.h"
#include "worker/bounded_queue.h"
#include "worker/metrics.h"
#include "worker/progress.h"
#include "worker/ps_client.h"
#include "worker/step.h"

namespace freshet::worker {

// Encodes the gradients of steps and sends them, in order: on a thread of its own, or, if pulls
// must come behind every push before them, on that of training. Thread-safety: one thread, that of
// training.
class PushStage {
 public:
  // All borrowed things outlive it, and `client` is closed before it is destroyed. `limit`: steps
  // that may wait, as many as may be in flight. `on_error` is told of pushes that failed for good,
  // on any thread.
  PushStage(PsClient& client,
            Progress& progress,
            Clock& clock,
            WorkerMetrics& metrics,
            bool own_thread,
            size_t limit,
            std::function<void(const Status&)> on_error);
  ~PushStage();

  // Progress::Acknowledged is called once all servers have applied it.
  void Push(const std::shared_ptr<Step>& step);

  // What waits is not sent any more. Before `client` is closed.
  void Stop();

 private:
  void Send(const std::shared_ptr<Step>& step);

  PsClient& client_;
  Progress& progress_;
  Clock& clock_;
  WorkerMetrics& metrics_;
  const std::function<void(const Status&)> on_error_;

  BoundedQueue<std::shared_ptr<Step>> waiting_;
  std::thread thread_;
};

}  // namespace freshet::worker
