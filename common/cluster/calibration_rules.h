#pragma once
#include <cstdint>
#include <optional>
#include <string>

namespace freshet {

// How base models that another job makes are taken in (docs/online-learning.md).
struct CalibrationRules {
  std::string log_dir{};    // of that job
  int64_t every_ms = 5000;  // how often it is looked at
  // The share of the base in the values of rows that both have; 1: the base replaces the model, and
  // the stream is trained on from where the base was.
  double base_weight = 1.0;
  // Of held-out samples, against the online model: a base with more is not taken in.
  std::optional<double> max_log_loss_rise = {};

  bool replaces() const { return base_weight >= 1.0; }
};

}  // namespace freshet
