#pragma once
#include "common/metrics/metrics.h"

namespace freshet::worker {

// What a worker counts; docs/operations.md lists them. Thread-safety: any thread.
struct WorkerMetrics {
  explicit WorkerMetrics(Metrics& metrics);

  prometheus::Counter& samples;
  prometheus::Counter& bad_samples;
  prometheus::Counter& sessions;
  prometheus::Counter& rpc_retries;
  prometheus::Counter& held_seconds;
  prometheus::Gauge& queued_batches;
  prometheus::Histogram& batch_keys;
  prometheus::Histogram& pull_wait_seconds;
  prometheus::Histogram& compute_seconds;
  prometheus::Histogram& push_seconds;
  prometheus::Histogram& step_seconds;
};

}  // namespace freshet::worker
