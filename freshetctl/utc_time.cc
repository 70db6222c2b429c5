#include "freshetctl/utc_time.h"

#include <charconv>
#include <ctime>

namespace freshet::freshetctl {

StatusOr<int64_t> ParseUtcTime(const std::string& text) {
  const char* const end = text.data() + text.size();
  if (!text.empty() && text.front() == '@') {
    int64_t seconds = 0;
    const auto [stop, error] = std::from_chars(text.data() + 1, end, seconds);
    if (error == std::errc() && stop == end && seconds > 0 && seconds < 1'000'000'000'000) {
      return seconds * 1000;
    }
  }
  for (const char* format : {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d"}) {
    std::tm time{};
    const char* rest = ::strptime(text.c_str(), format, &time);
    if (rest != nullptr && *rest == 'Z') {
      ++rest;
    }
    if (rest == end) {
      return static_cast<int64_t>(::timegm(&time)) * 1000;
    }
  }
  return InvalidArgument(
      "'{}' is no time: 2026-11-20T10:00Z, 2026-11-20, or @1763632800 (Unix seconds)", text);
}

}  // namespace freshet::freshetctl
