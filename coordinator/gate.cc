#include "coordinator/gate.h"

#include <fmt/core.h>

#include <optional>
#include <string>
#include <vector>

#include "common/metrics/evaluation.h"
#include "coordinator/early_stopping.h"

namespace freshet::coordinator {
namespace {

class Findings {
 public:
  // A number that is none (no positive sample, no click) breaks no rule.
  void AtLeast(const std::optional<double>& least, double value, const char* what) {
    if (least.has_value() && value < *least) {
      reasons_.push_back(fmt::format("{} is {:.5f}, must be at least {}", what, value, *least));
    }
  }

  void AtMost(const std::optional<double>& most, double value, const char* what) {
    if (most.has_value() && value > *most) {
      reasons_.push_back(fmt::format("{} is {:.5f}, must be at most {}", what, value, *most));
    }
  }

  const std::vector<std::string>& reasons() const { return reasons_; }

 private:
  std::vector<std::string> reasons_;
};

}  // namespace

bool IsVerdict(const proto::GateState& gate) {
  return (gate.verdict() == proto::GateState::PASSED ||
          gate.verdict() == proto::GateState::REJECTED) &&
         !gate.has_pending();
}

proto::GateState Judge(const GateRules& rules,
                       size_t held_out,
                       const proto::Manifest& head,
                       const proto::Manifest& manifest) {
  proto::GateState gate;
  if (!rules.enabled) {
    return gate;
  }
  gate = head.gate();
  EvaluationSums all(gate.pending());
  all.Merge(WindowOf(manifest));
  const EvaluationSums sums = rules.held_out ? all.Slice(held_out) : all;
  uint64_t rows = gate.pending_rows();
  uint64_t bad_rows = gate.pending_bad_rows();
  for (const proto::PartFile& part : manifest.parts()) {
    rows += part.rows();
    bad_rows += part.bad_rows();
  }
  if (sums.samples() < rules.min_samples) {
    *gate.mutable_pending() = all.ToProto();
    gate.set_pending_rows(rows);
    gate.set_pending_bad_rows(bad_rows);
    return gate;
  }
  gate.clear_pending();
  gate.clear_pending_rows();
  gate.clear_pending_bad_rows();
  Findings findings;
  findings.AtLeast(rules.min_auc, sums.Auc(), "AUC");
  findings.AtMost(rules.max_log_loss, sums.MeanLogLoss(), "log loss");
  findings.AtLeast(rules.min_calibration, sums.Calibration(), "calibration");
  findings.AtMost(rules.max_calibration, sums.Calibration(), "calibration");
  if (gate.passed_version() != 0) {
    findings.AtMost(rules.max_auc_drop, gate.passed_auc() - sums.Auc(), "drop of AUC");
    findings.AtMost(
        rules.max_log_loss_rise, sums.MeanLogLoss() - gate.passed_log_loss(), "rise of log loss");
  }
  const double bad_share =
      rows == 0 ? 0.0 : static_cast<double>(bad_rows) / static_cast<double>(rows);
  findings.AtMost(rules.max_bad_rows, bad_share, "share of bad rows");
  gate.clear_reasons();
  if (!findings.reasons().empty()) {
    gate.set_verdict(proto::GateState::REJECTED);
    gate.set_failures_in_row(gate.failures_in_row() + 1);
    for (const std::string& reason : findings.reasons()) {
      gate.add_reasons(reason);
    }
    return gate;
  }
  gate.set_verdict(proto::GateState::PASSED);
  gate.set_failures_in_row(0);
  gate.set_passed_version(manifest.version());
  gate.set_passed_auc(sums.Auc());
  gate.set_passed_log_loss(sums.MeanLogLoss());
  return gate;
}

}  // namespace freshet::coordinator
