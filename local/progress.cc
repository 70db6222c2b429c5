#include "local/progress.h"

#include <chrono>

#include "common/rpc/typed.h"

namespace freshet::local {
namespace {

constexpr std::chrono::seconds kTimeout{5};

bool HasServing(const proto::StatusResponse& status) {
  for (const proto::MemberStatus& member : status.members()) {
    if (member.role() == proto::SERVING) {
      return true;
    }
  }
  return false;
}

}  // namespace

Progress::Progress(rpc::Transport& transport, const std::string& coordinator)
    : channel_(transport.Connect(coordinator)) {}

StatusOr<proto::StatusResponse> Progress::Ask() {
  return rpc::CallAndWait<proto::StatusResponse>(
      *channel_, rpc::Method::kStatus, proto::StatusRequest(), kTimeout);
}

std::string ProgressLine(const proto::StatusResponse& status) {
  std::string line = fmt::format("{} version={} samples={} rows={} auc={:.4f} log_loss={:.4f}",
                                 proto::StatusResponse::Phase_Name(status.phase()),
                                 status.version(),
                                 status.samples(),
                                 status.rows(),
                                 status.auc(),
                                 status.log_loss());
  if (HasServing(status)) {
    line += fmt::format(" served={}", status.served_version());
    if (status.freshness_ms() >= 0) {
      line += fmt::format(" freshness_ms={}", status.freshness_ms());
    }
  }
  if (!status.waiting_for().empty()) {
    line += fmt::format(" waiting for {}", status.waiting_for());
  }
  return line;
}

bool AllDone(const proto::StatusResponse& status) {
  return status.phase() == proto::StatusResponse::FINISHED &&
         (!HasServing(status) || status.served_version() == status.version());
}

}  // namespace freshet::local
