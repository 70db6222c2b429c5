#include "worker/metrics.h"

namespace freshet::worker {
namespace {

prometheus::Counter& Busy(Metrics& metrics, const char* stage) {
  return metrics.Counter("freshet_worker_stage_busy_seconds_total",
                         "Time that a stage of the pipeline worked, on all its threads",
                         {{"stage", stage}});
}

prometheus::Gauge& Waiting(Metrics& metrics, const char* stage) {
  return metrics.Gauge("freshet_worker_queue_length",
                       "What waits for a stage: blocks of records for parse and batch, batches for "
                       "pull, compute and push",
                       {{"stage", stage}});
}

}  // namespace

WorkerMetrics::WorkerMetrics(Metrics& metrics)
    : samples(metrics.Counter("freshet_worker_samples_total",
                              "Samples trained, also those that a rewind made it train again")),
      bad_samples(metrics.Counter("freshet_worker_bad_samples_total",
                                  "Records that are no sample, and were left out")),
      skipped_samples(metrics.Counter("freshet_worker_skipped_samples_total",
                                      "Samples left out because a rollback said so")),
      sessions(metrics.Counter("freshet_worker_sessions_total", "Sessions begun")),
      rpc_retries(metrics.Counter("freshet_worker_rpc_retries_total",
                                  "Pulls, pushes and declarations that were tried again")),
      held_seconds(metrics.Counter("freshet_worker_held_seconds_total",
                                   "Time that training stood still for cuts")),
      stage_read(Busy(metrics, "read")),
      stage_parse(Busy(metrics, "parse")),
      stage_batch(Busy(metrics, "batch")),
      stage_pull(Busy(metrics, "pull")),
      stage_compute(Busy(metrics, "compute")),
      stage_push(Busy(metrics, "push")),
      raw_blocks(Waiting(metrics, "parse")),
      parsed_blocks(Waiting(metrics, "batch")),
      queued_batches(Waiting(metrics, "pull")),
      pulled_batches(Waiting(metrics, "compute")),
      pushed_batches(Waiting(metrics, "push")),
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
                                     LatencyBuckets())),
      staleness(metrics.Histogram("freshet_worker_staleness_batches",
                                  "Steps of other workers that the rows of a pull lack, in ssp",
                                  {0, 1, 2, 4, 8, 16, 32, 64, 128})),
      stale_pulls(metrics.Counter("freshet_worker_stale_pulls_total",
                                  "Pulls that lacked more than training.staleness allows")),
      sampled_out(metrics.Counter("freshet_worker_sampled_out_total",
                                  "Negative samples that negative_sampling left out")),
      received_bytes(metrics.Counter("freshet_worker_received_bytes_total",
                                     "Bytes received by stream.receive")),
      receive_gaps(metrics.Counter("freshet_worker_receive_gaps_total",
                                   "Times that a log was cut, or gone before it was read")),
      receive_blocked(metrics.Gauge("freshet_worker_receive_blocked",
                                    "1 while received samples wait for a disk that is full")) {}

}  // namespace freshet::worker
