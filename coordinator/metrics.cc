#include "coordinator/metrics.h"

#include <limits>
#include <map>

namespace freshet::coordinator {

CoordinatorMetrics::CoordinatorMetrics()
    : pause_(metrics_.Histogram("freshet_coordinator_cut_pause_seconds",
                                "How long training stood still for a cut",
                                LatencyBuckets())),
      duration_(metrics_.Histogram("freshet_coordinator_cut_seconds",
                                   "From the begin of a cut to its committed version",
                                   LatencyBuckets())),
      cuts_(metrics_.Counter("freshet_coordinator_cuts_total", "Versions committed by a cut")),
      failed_recoveries_(metrics_.Counter("freshet_coordinator_failed_recoveries_total",
                                          "Tries to start a session that failed")),
      rejected_(metrics_.Counter("freshet_coordinator_rejected_versions_total",
                                 "Verdicts of the gate against a version")),
      phase_(metrics_.Gauge("freshet_coordinator_phase",
                            "0 forming, 1 recovering, 2 training, 3 finished")),
      epoch_(metrics_.Gauge("freshet_coordinator_epoch", "The session's epoch")),
      version_(metrics_.Gauge("freshet_coordinator_version", "Newest committed version")),
      served_version_(metrics_.Gauge("freshet_coordinator_served_version",
                                     "Oldest version among the serving nodes")),
      samples_(metrics_.Gauge("freshet_coordinator_samples", "Samples trained by all workers")),
      rows_(metrics_.Gauge("freshet_coordinator_rows", "Embedding rows on all servers")),
      auc_(metrics_.Gauge("freshet_coordinator_auc",
                          "Progressive area under the ROC curve, whole run")),
      log_loss_(
          metrics_.Gauge("freshet_coordinator_log_loss", "Progressive mean log loss, whole run")),
      calibration_(metrics_.Gauge("freshet_coordinator_calibration",
                                  "Predicted over observed rate, whole run")),
      freshness_(metrics_.Gauge("freshet_coordinator_freshness_seconds",
                                "Age of the newest sample in the oldest served version")),
      watermark_(metrics_.Gauge("freshet_coordinator_event_time_watermark_seconds",
                                "Largest event time in the newest version, Unix time")) {}

void CoordinatorMetrics::CountCut(double pause_seconds, double total_seconds) {
  cuts_.Increment();
  pause_.Observe(pause_seconds);
  duration_.Observe(total_seconds);
}

void CoordinatorMetrics::SetScore(const char* measure,
                                  const char* window,
                                  const std::string& slice,
                                  double value) {
  metrics_
      .Gauge("freshet_coordinator_score",
             "Scores before learning: of the newest version's samples, or of the whole run",
             {{"measure", measure}, {"window", window}, {"slice", slice}})
      .Set(value);
}

void CoordinatorMetrics::SetScores(const proto::VersionMetrics& metrics) {
  const auto set = [this](const std::string& slice, const auto& of) {
    if (of.samples() > 0) {
      SetScore("auc", "version", slice, of.auc());
      SetScore("log_loss", "version", slice, of.log_loss());
      SetScore("calibration", "version", slice, of.calibration());
      SetScore("normalized_entropy", "version", slice, of.normalized_entropy());
    }
    SetScore("auc", "run", slice, of.total_auc());
    SetScore("log_loss", "run", slice, of.total_log_loss());
    SetScore("calibration", "run", slice, of.total_calibration());
    SetScore("normalized_entropy", "run", slice, of.total_normalized_entropy());
  };
  set("all", metrics);
  for (const proto::SliceMetrics& slice : metrics.slices()) {
    set(slice.name(), slice);
  }
  if (metrics.gauc_samples() > 0) {
    SetScore("gauc", "version", "all", metrics.gauc());
  }
  if (metrics.total_gauc_samples() > 0) {
    SetScore("gauc", "run", "all", metrics.total_gauc());
  }
}

void CoordinatorMetrics::CountFailedCut(const std::string& step, const std::string& code) {
  metrics_
      .Counter("freshet_coordinator_failed_cuts_total",
               "Cuts that left no version, by the step that failed and why",
               {{"step", step}, {"code", code}})
      .Increment();
}

void CoordinatorMetrics::CountCompaction(const Status& status) {
  metrics_
      .Counter("freshet_coordinator_compactions_total",
               "Times that deltas were rolled up into a base, by how it ended",
               {{"code", absl::StatusCodeToString(status.code())}})
      .Increment();
}

void CoordinatorMetrics::CountRewind(const std::string& reason) {
  metrics_
      .Counter("freshet_coordinator_rewinds_total",
               "Sessions that were ended and begun anew, by reason",
               {{"reason", reason}})
      .Increment();
}

void CoordinatorMetrics::CountRejected() {
  rejected_.Increment();
}

void CoordinatorMetrics::CountFailedRecovery() {
  failed_recoveries_.Increment();
}

void CoordinatorMetrics::SetMembersUp(const proto::StatusResponse& status) {
  std::map<std::string, int> up = {{"ps", 0}, {"worker", 0}, {"serving", 0}};
  for (const proto::MemberStatus& member : status.members()) {
    const char* role = member.role() == proto::PS       ? "ps"
                       : member.role() == proto::WORKER ? "worker"
                                                        : "serving";
    up[role] += member.up() ? 1 : 0;
  }
  for (const auto& [role, count] : up) {
    metrics_.Gauge("freshet_coordinator_members_up", "Members that are up", {{"role", role}})
        .Set(count);
  }
}

std::string CoordinatorMetrics::Text(const proto::StatusResponse& status) {
  phase_.Set(status.phase());
  epoch_.Set(static_cast<double>(status.epoch()));
  version_.Set(static_cast<double>(status.version()));
  served_version_.Set(static_cast<double>(status.served_version()));
  samples_.Set(static_cast<double>(status.samples()));
  rows_.Set(static_cast<double>(status.rows()));
  auc_.Set(status.auc());
  log_loss_.Set(status.log_loss());
  calibration_.Set(status.calibration());
  freshness_.Set(status.freshness_ms() < 0 ? std::numeric_limits<double>::quiet_NaN()
                                           : static_cast<double>(status.freshness_ms()) / 1e3);
  watermark_.Set(static_cast<double>(status.event_time_watermark_ms()) / 1e3);
  SetMembersUp(status);
  return metrics_.Text();
}

}  // namespace freshet::coordinator
