#include "freshetctl/format.h"

#include <fmt/core.h>

#include <array>
#include <ctime>

namespace freshet::freshetctl {

std::string Count(uint64_t number) {
  std::string text = std::to_string(number);
  for (size_t digits = 3; digits < text.size(); digits += 4) {
    text.insert(text.size() - digits, ",");
  }
  return text;
}

std::string Bytes(uint64_t bytes) {
  constexpr std::array<const char*, 5> kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB"};
  if (bytes < 1024) {
    return fmt::format("{} B", bytes);
  }
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit) {
    value /= 1024;
  }
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string Duration(int64_t milliseconds) {
  if (milliseconds < 0) {
    return "-" + Duration(-milliseconds);
  }
  constexpr int64_t kDay = 86'400;
  const int64_t seconds = milliseconds / 1000;
  if (seconds < 1) {
    return fmt::format("{}ms", milliseconds);
  }
  if (seconds < 60) {
    return fmt::format("{:.1f}s", static_cast<double>(milliseconds) / 1000);
  }
  if (seconds < 3600) {
    return fmt::format("{}m{:02}s", seconds / 60, seconds % 60);
  }
  if (seconds < kDay) {
    return fmt::format("{}h{:02}m", seconds / 3600, seconds / 60 % 60);
  }
  return fmt::format("{}d{:02}h", seconds / kDay, seconds / 3600 % 24);
}

std::string UtcTime(int64_t unix_ms) {
  const std::time_t seconds = unix_ms / 1000;
  std::tm parts{};
  if (unix_ms == 0 || ::gmtime_r(&seconds, &parts) == nullptr) {
    return "-";
  }
  std::array<char, 64> text{};
  const size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &parts);
  return {text.data(), size};
}

std::string Score(double value, uint64_t of) {
  return of == 0 ? "-" : fmt::format("{:.4f}", value);
}

}  // namespace freshet::freshetctl
