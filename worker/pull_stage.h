#pragma once
#include <functional>
#include <memory>
#include <thread>

#include "common/env/clock.h"
#include "worker/batch_reader.h"
#include "worker/bounded_queue.h"
#include "worker/held_out.h"
#include "worker/metrics.h"
#include "worker/progress.h"
#include "worker/ps_client.h"
#include "worker/step.h"

namespace freshet::worker {

// Makes steps of a session's batches, and asks the servers for their rows: `ahead` steps before
// they are wanted, on a thread of its own; with 0 at the moment at which they are, on that of the
// one who wants them, so that a pull comes behind every push before it.
// Thread-safety: one thread, that of training.
class PullStage {
 public:
  // All borrowed things outlive it, and `client` is closed before it is destroyed. `on_error` is
  // told of pulls that failed for good, on any thread.
  PullStage(BatchReader& reader,
            HeldOut held_out,
            PsClient& client,
            Progress& progress,
            Clock& clock,
            WorkerMetrics& metrics,
            size_t ahead,
            std::function<void(const Status&)> on_error);
  ~PullStage();

  // The next step, numbered from 1; its rows may still be on their way (Progress::AwaitPulled).
  // Null once the session has ended. Not called behind the last step.
  std::shared_ptr<Step> Next();

  // Asks for no more. The session has ended, or the last step was taken. Before `client` is closed.
  void Stop();

 private:
  std::shared_ptr<Step> MakeStep();
  void Pull(const std::shared_ptr<Step>& step);
  void PullHeldOut(Step* step);
  void RunAhead();

  BatchReader& reader_;
  const HeldOut held_out_;
  PsClient& client_;
  Progress& progress_;
  Clock& clock_;
  WorkerMetrics& metrics_;
  const size_t ahead_;
  const std::function<void(const Status&)> on_error_;

  uint64_t steps_ = 0;  // numbered so far
  BoundedQueue<std::shared_ptr<Step>> pulled_;
  std::thread thread_;
};

}  // namespace freshet::worker
