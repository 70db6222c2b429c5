#pragma once
#include <optional>
#include <string_view>

#include "common/status.h"

namespace freshet {

// How a label is read: SampleFormat::positive_at_least, and whether -1 means 0.
struct LabelRule {
  std::optional<double> positive_at_least{};
  bool minus_one = false;

  // 0 or 1. InvalidArgument says what a label must be.
  StatusOr<float> Read(std::string_view text) const;
};

}  // namespace freshet
