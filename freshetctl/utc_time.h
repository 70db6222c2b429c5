#pragma once
#include <cstdint>
#include <string>

#include "common/status.h"

namespace freshet::freshetctl {

// "2026-11-20", "2026-11-20T10:00", with seconds, with or without a Z: UTC, in Unix milliseconds.
// Also "@<seconds>", Unix time. InvalidArgument: it is none of these.
StatusOr<int64_t> ParseUtcTime(const std::string& text);

}  // namespace freshet::freshetctl
