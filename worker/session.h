#pragma once
#include <functional>
#include <memory>

#include "common/env/env.h"
#include "common/job/job_config.h"
#include "common/sample/sample_format.h"
#include "common/stream/stream.h"
#include "proto/control.pb.h"
#include "worker/batch_reader.h"
#include "worker/metrics.h"
#include "worker/options.h"
#include "worker/progress.h"
#include "worker/ps_client.h"

namespace freshet::worker {

// What all sessions of a worker share. Borrowed; outlives them.
struct SessionContext {
  const Env& env;
  const JobConfig& job;
  Stream& stream;
  const SampleParser& parser;
  WorkerMetrics& metrics;
  const WorkerOptions& options;
};

// One session of a worker, from StartSession to the next.
class Session {
 public:
  // Does no I/O, so that StartSession is answered at once. `request` has been checked.
  Session(const SessionContext& context, const proto::StartSessionRequest& request);

  // Seeks, declares the model, trains; returns when the session has ended. Once, on one thread.
  // What it leaves is inert: it may be destroyed anywhere.
  void Run();

  // Ends it soon. Thread-safety: any thread.
  void Cancel();

  uint64_t epoch() const { return request_.epoch(); }

  // Thread-safety: any thread.
  Progress& progress() { return progress_; }

 private:
  void Fail(const Status& why);
  Status Prepare();
  Status Declare();
  void TrainAll();

  const SessionContext context_;
  const proto::StartSessionRequest request_;
  Progress progress_;
  PsClient client_;
  BatchReader reader_;  // uses the client
};

}  // namespace freshet::worker
