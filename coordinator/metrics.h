#pragma once
#include <string>

#include "common/metrics/metrics.h"
#include "common/status.h"
#include "proto/control.pb.h"

namespace freshet::coordinator {

// The coordinator's metrics. Thread-safety: any thread.
class CoordinatorMetrics {
 public:
  CoordinatorMetrics();

  void CountCut(double pause_seconds, double total_seconds);
  // Scores of the newest version.
  void SetScores(const proto::VersionMetrics& metrics);
  // `step`: where it failed; `code`: of the Status.
  void CountFailedCut(const std::string& step, const std::string& code);
  void CountCompaction(const Status& status);
  void CountRejected();
  void CountRewind(const std::string& reason);
  void CountFailedRecovery();

  // The text for a scrape, with the gauges as `status` has them.
  std::string Text(const proto::StatusResponse& status);

 private:
  void SetScore(const char* measure, const char* window, const std::string& slice, double value);
  void SetMembersUp(const proto::StatusResponse& status);

  Metrics metrics_;
  prometheus::Histogram& pause_;
  prometheus::Histogram& duration_;
  prometheus::Counter& cuts_;
  prometheus::Counter& failed_recoveries_;
  prometheus::Counter& rejected_;
  prometheus::Gauge& phase_;
  prometheus::Gauge& epoch_;
  prometheus::Gauge& version_;
  prometheus::Gauge& served_version_;
  prometheus::Gauge& samples_;
  prometheus::Gauge& rows_;
  prometheus::Gauge& auc_;
  prometheus::Gauge& log_loss_;
  prometheus::Gauge& calibration_;
  prometheus::Gauge& freshness_;
  prometheus::Gauge& watermark_;
};

}  // namespace freshet::coordinator
