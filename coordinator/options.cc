#include "coordinator/options.h"

#include <algorithm>

namespace freshet::coordinator {

using std::chrono::milliseconds;

namespace {

std::vector<std::string> SliceNames(const JobConfig& job) {
  std::vector<std::string> names;
  for (const EvaluationSettings::Slice& slice : job.evaluation.slices) {
    names.push_back(slice.name);
  }
  if (!job.evaluation.held_out_path.empty()) {
    names.emplace_back(kHeldOut);
  }
  return names;
}

}  // namespace

StatusOr<Options> MakeOptions(const ClusterConfig& cluster, const JobConfig& job) {
  const CoordinatorSettings& settings = cluster.coordinator;
  // Several heartbeats fit into the timeout, so that one lost message kills nobody.
  const int64_t heartbeat_ms = std::clamp<int64_t>(settings.member_timeout_ms / 10, 10, 500);
  if (settings.gate.held_out && job.evaluation.held_out_path.empty()) {
    return InvalidArgument(
        "coordinator.gate.held_out: the job has no held-out samples; set 'evaluation.held_out' in "
        "the worker config");
  }
  if (settings.calibration.has_value() && settings.calibration->max_log_loss_rise.has_value() &&
      job.evaluation.held_out_path.empty()) {
    return InvalidArgument(
        "coordinator.calibration.max_log_loss_rise: the job has no held-out samples; set "
        "'evaluation.held_out' in the worker config");
  }
  if (settings.calibration.has_value() && !settings.calibration->replaces() &&
      job.model.kind() == "ledger") {
    return InvalidArgument(
        "coordinator.calibration.base_weight: a ledger counts samples, and cannot be blended");
  }
  if (job.receive && job.receive->from == ReceiveSettings::From::kStdin &&
      cluster.worker.hosts.size() != 1) {
    return InvalidArgument(
        "worker.count: {} workers, but 'stream.receive.from: stdin' is for a single one",
        cluster.worker.hosts.size());
  }
  if (settings.serving_values != proto::AS_STORED && job.model.kind() == "ledger") {
    return InvalidArgument(
        "coordinator.serving_values: a ledger counts samples, and cannot be rounded");
  }
  return Options{
      .log_dir = cluster.log_dir,
      .state_dir =
          settings.state_dir.empty() ? cluster.run_dir + "/coordinator" : settings.state_dir,
      .report_dir = settings.report.empty() ? cluster.run_dir + "/report" : settings.report,
      .servers = static_cast<uint32_t>(cluster.ps.hosts.size()),
      .workers = static_cast<uint32_t>(cluster.worker.hosts.size()),
      .serving = static_cast<uint32_t>(cluster.serving.hosts.size()),
      .partition_count = cluster.partition_count,
      .model = job.model,
      .bsp = job.training.consistency == Consistency::kBsp,
      .staleness = job.training.consistency == Consistency::kSsp
                       ? std::optional(job.training.staleness)
                       : std::nullopt,
      .slices = SliceNames(job),
      .cut_every = milliseconds(settings.cut_every_ms),
      .base_every = std::max(settings.base_every, 1U),
      .base_growth = settings.base_growth,
      .final_base = settings.final_base,
      .serving_values = settings.serving_values,
      .zstd = settings.zstd,
      .retention = {.keep_versions = settings.keep_versions, .keep_for_ms = settings.keep_for_ms},
      .gate = settings.gate,
      .early_stopping = job.training.early_stopping,
      .calibration = settings.calibration,
      .watermark_every = milliseconds(settings.watermark_every_ms),
      .hooks = settings.hooks,
      .publish = settings.publish,
      .heartbeat_every = milliseconds(heartbeat_ms),
      .member_timeout = milliseconds(settings.member_timeout_ms),
      .rpc_timeout = milliseconds(settings.rpc_timeout_ms),
      .restore_timeout = milliseconds(settings.restore_timeout_ms)};
}

}  // namespace freshet::coordinator
