#include "freshetctl/status_text.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>

#include "freshetctl/format.h"
#include "freshetctl/table.h"

namespace freshet::freshetctl {
namespace {

std::string LowerCase(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char letter) {
    return static_cast<char>(std::tolower(letter));
  });
  return text;
}

std::string Freshness(const proto::StatusResponse& status) {
  return status.freshness_ms() < 0 ? "-" : Duration(status.freshness_ms());
}

std::string MemberName(const proto::MemberStatus& member) {
  const std::string role = LowerCase(proto::Role_Name(member.role()));
  return member.role() == proto::COORDINATOR ? role : fmt::format("{}-{}", role, member.rank());
}

// What matters of a member's report, by role.
std::string Details(const proto::MemberStatus& member) {
  const proto::MemberReport& report = member.report();
  switch (member.role()) {
    case proto::PS:
      return fmt::format("{} rows, {}", Count(report.rows()), Bytes(report.bytes()));
    case proto::WORKER:
      return fmt::format("{} samples, {} bad{}{}",
                         Count(report.samples()),
                         Count(report.bad_samples()),
                         report.finished() ? ", finished" : "",
                         report.error().empty() ? "" : ", error: " + report.error());
    case proto::SERVING:
      return fmt::format("version {}, {} requests{}",
                         report.version(),
                         Count(report.requests()),
                         report.refused_versions() == 0
                             ? ""
                             : fmt::format(", {} versions refused", report.refused_versions()));
    default:
      return "";
  }
}

}  // namespace

std::string PhaseName(proto::StatusResponse::Phase phase) {
  return LowerCase(proto::StatusResponse::Phase_Name(phase));
}

std::vector<std::string> StatusLines(const proto::StatusResponse& status,
                                     double samples_per_second) {
  const std::string rate =
      samples_per_second < 0
          ? ""
          : fmt::format("   {} samples/s", Count(static_cast<uint64_t>(samples_per_second)));
  return {
      fmt::format("phase     {}{}",
                  PhaseName(status.phase()),
                  status.waiting_for().empty() ? "" : ", waits for " + status.waiting_for()),
      fmt::format("samples   {}{}", Count(status.samples()), rate),
      fmt::format("scored    AUC {}   log loss {}   calibration {}",
                  Score(status.auc(), status.samples()),
                  Score(status.log_loss(), status.samples()),
                  Score(status.calibration(), status.samples())),
      fmt::format("table     {} keys", Count(status.rows())),
      fmt::format("version   {} newest, {} served   freshness {}",
                  status.version(),
                  status.served_version(),
                  Freshness(status)),
      fmt::format("cuts      {} ({} failed)   last pause {:.1f}ms   epoch {}   rewinds {}",
                  status.cuts(),
                  status.failed_cuts(),
                  status.cut_pause_ms(),
                  status.epoch(),
                  status.rewinds()),
  };
}

std::string StatusLine(const proto::StatusResponse& status, double samples_per_second) {
  const std::string rate = samples_per_second < 0 ? "-" : fmt::format("{:.0f}", samples_per_second);
  return fmt::format(
      "phase={} samples={} samples_per_s={} auc={} log_loss={} keys={} version={} served={} "
      "freshness={} epoch={}",
      PhaseName(status.phase()),
      status.samples(),
      rate,
      Score(status.auc(), status.samples()),
      Score(status.log_loss(), status.samples()),
      status.rows(),
      status.version(),
      status.served_version(),
      Freshness(status),
      status.epoch());
}

void PrintMembers(const proto::StatusResponse& status, std::ostream& out) {
  Table table({{"MEMBER"}, {"STATE"}, {"RPC"}, {"HTTP"}, {"BUILD"}, {"REPORT"}});
  for (const proto::MemberStatus& member : status.members()) {
    table.Add({MemberName(member),
               member.up() ? "up" : "down",
               member.address(),
               member.http_address(),
               member.build(),
               Details(member)});
  }
  table.Print(out);
}

}  // namespace freshet::freshetctl
