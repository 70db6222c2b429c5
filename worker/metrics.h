#pragma once
#include <chrono>

#include "common/metrics/metrics.h"

namespace freshet::worker {

// What a worker counts; docs/operations.md lists them. Thread-safety: any thread.
struct WorkerMetrics {
  explicit WorkerMetrics(Metrics& metrics);

  prometheus::Counter& samples;
  prometheus::Counter& bad_samples;
  prometheus::Counter& skipped_samples;
  prometheus::Counter& sessions;
  prometheus::Counter& rpc_retries;
  prometheus::Counter& held_seconds;
  // Work done by the stages of the pipeline, whatever thread does it.
  prometheus::Counter& stage_read;
  prometheus::Counter& stage_parse;
  prometheus::Counter& stage_batch;
  prometheus::Counter& stage_pull;
  prometheus::Counter& stage_compute;
  prometheus::Counter& stage_push;
  // What waits for a stage.
  prometheus::Gauge& raw_blocks;
  prometheus::Gauge& parsed_blocks;
  prometheus::Gauge& queued_batches;
  prometheus::Gauge& pulled_batches;
  prometheus::Gauge& pushed_batches;
  prometheus::Histogram& batch_keys;
  prometheus::Histogram& pull_wait_seconds;
  prometheus::Histogram& compute_seconds;
  prometheus::Histogram& push_seconds;
  prometheus::Histogram& step_seconds;
  prometheus::Histogram& staleness;
  prometheus::Counter& stale_pulls;
  prometheus::Counter& sampled_out;
  // Of the Receiver.
  prometheus::Counter& received_bytes;
  prometheus::Counter& receive_gaps;
  prometheus::Gauge& receive_blocked;
};

inline double InSeconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace freshet::worker
