#pragma once
#include <cstdint>
#include <optional>

namespace freshet {

// When a version may be served (docs/gate.md). A rule that is not set is none.
struct GateRules {
  bool enabled = false;
  bool held_out = false;        // judges the held-out samples, instead of those of the stream
  uint64_t min_samples = 1000;  // that a verdict needs
  std::optional<double> min_auc = {};
  std::optional<double> max_auc_drop = {};  // against the last version that passed
  std::optional<double> max_log_loss = {};
  std::optional<double> max_log_loss_rise = {};  // against the last version that passed
  std::optional<double> min_calibration = {};
  std::optional<double> max_calibration = {};
  std::optional<double> max_bad_rows = {};  // share of the rows written, 0 to 1
  float row_limit = 0.0F;                   // a row with a value beyond it is bad; 0: none
  uint32_t rollback_after = 0;              // so many failed verdicts in a row; 0: never
  bool rollback_skips = true;               // what was learned since is not learned again
};

}  // namespace freshet
