#include "coordinator/status.h"

#include <algorithm>
#include <utility>

#include "common/metrics/evaluation.h"
#include "common/utf8.h"

namespace freshet::coordinator {
namespace {

void SetProgress(const Progress& progress, proto::StatusResponse* status) {
  status->set_phase(progress.phase);
  status->set_waiting_for(ToUtf8(progress.waiting_for));
  status->set_epoch(progress.epoch);
  status->set_version(progress.version);
  status->set_event_time_watermark_ms(progress.event_time_watermark_ms);
  status->set_cut_pause_ms(progress.cut_pause_ms);
  status->set_cuts(progress.cuts);
  status->set_failed_cuts(progress.failed_cuts);
  status->set_rewinds(progress.rewinds);
}

// The report of the serving node that is furthest behind; null if none serves anything yet.
template <typename Members>
const proto::MemberReport* FurthestBehind(const Members& members) {
  const proto::MemberReport* oldest = nullptr;
  for (const proto::MemberStatus& member : members) {
    if (member.role() != proto::SERVING || !member.up() || member.report().version() == 0) {
      continue;
    }
    if (oldest == nullptr || member.report().version() < oldest->version()) {
      oldest = &member.report();
    }
  }
  return oldest;
}

void SetServed(int64_t now_unix_ms, proto::StatusResponse* status) {
  const proto::MemberReport* const oldest = FurthestBehind(status->members());
  status->set_freshness_ms(-1);
  if (oldest == nullptr) {
    return;
  }
  status->set_served_version(oldest->version());
  if (oldest->newest_arrival_ms() > 0) {
    status->set_freshness_ms(std::max<int64_t>(now_unix_ms - oldest->newest_arrival_ms(), 0));
  }
}

}  // namespace

uint64_t OldestServed(const std::vector<proto::MemberStatus>& members) {
  const proto::MemberReport* const oldest = FurthestBehind(members);
  return oldest == nullptr ? 0 : oldest->version();
}

proto::StatusResponse BuildStatus(const Progress& progress,
                                  const Membership& membership,
                                  int64_t now_unix_ms) {
  proto::StatusResponse status;
  SetProgress(progress, &status);
  EvaluationSums evaluation;
  uint64_t samples = 0;
  uint64_t rows = 0;
  for (proto::MemberStatus& member : membership.Everyone()) {
    if (member.role() == proto::WORKER) {
      samples += member.report().samples();
      evaluation.Merge(EvaluationSums(member.report().evaluation()));
    } else if (member.role() == proto::PS) {
      rows += member.report().rows();
    }
    member.mutable_report()->clear_evaluation();  // merged below; large
    *status.add_members() = std::move(member);
  }
  status.set_samples(samples);
  status.set_rows(rows);
  status.set_auc(evaluation.Auc());
  status.set_log_loss(evaluation.MeanLogLoss());
  status.set_calibration(evaluation.Calibration());
  SetServed(now_unix_ms, &status);
  return status;
}

}  // namespace freshet::coordinator
