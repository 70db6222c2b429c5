#include "worker/metrics.h"

namespace freshet::worker {

WorkerMetrics::WorkerMetrics(Metrics& metrics)
    : samples(metrics.Counter("freshet_worker_samples_total",
                              "Samples trained, also those that a rewind made it train again")),
      bad_samples(metrics.Counter("freshet_worker_bad_samples_total",
                                  "Records that are no sample, and were left out")),
      sessions(metrics.Counter("freshet_worker_sessions_total", "Sessions begun")),
      rpc_retries(metrics.Counter("freshet_worker_rpc_retries_total",
                                  "Pulls, pushes and declarations that were tried again")),
      held_seconds(metrics.Counter("freshet_worker_held_seconds_total",
                                   "Time that training stood still for cuts")),
      queued_batches(
          metrics.Gauge("freshet_worker_queued_batches", "Batches read and not yet pulled")),
      batch_keys(metrics.Histogram("freshet_worker_batch_keys",
                                   "Unique keys in a batch",
                                   {16, 64, 256, 1024, 4096, 16384, 65536, 262144})),
      pull_wait_seconds(metrics.Histogram("freshet_worker_pull_wait_seconds",
                                          "Time that training waited for a pull",
                                          LatencyBuckets())),
      compute_seconds(metrics.Histogram("freshet_worker_compute_seconds",
                                        "Time to score a batch and compute its gradients",
                                        LatencyBuckets())),
      push_seconds(metrics.Histogram("freshet_worker_push_seconds",
                                     "Time from sending a push until all servers have applied it",
                                     LatencyBuckets())),
      step_seconds(metrics.Histogram("freshet_worker_step_seconds",
                                     "Time from one batch computed to the next",
                                     LatencyBuckets())) {}

}  // namespace freshet::worker
