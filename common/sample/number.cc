#include "common/sample/number.h"

#include <charconv>
#include <cmath>

namespace freshet {

namespace {

// Text of at most 15 digits, which a double holds exactly: most numbers there are in samples.
bool ParseDigits(std::string_view text, double* number) {
  constexpr size_t kMostDigits = 15;
  if (text.empty() || text.size() > kMostDigits) {
    return false;
  }
  uint64_t whole = 0;
  for (const char c : text) {
    const auto digit = static_cast<unsigned char>(c - '0');
    if (digit > 9) {
      return false;
    }
    whole = whole * 10 + digit;
  }
  *number = static_cast<double>(whole);
  return true;
}

}  // namespace

bool ParseNumber(std::string_view text, double* number) {
  if (ParseDigits(text, number)) {
    return true;
  }
  const char* begin = text.data();
  const char* end = begin + text.size();
  if (text.size() > 1 && *begin == '+' && begin[1] != '-') {
    ++begin;  // from_chars takes no plus
  }
  const auto [stop, error] = std::from_chars(begin, end, *number);
  return error == std::errc() && stop == end && std::isfinite(*number);
}

bool ParseEventTime(std::string_view text, SampleFormat::TimeUnit unit, int64_t* milliseconds) {
  constexpr int64_t kFarthestMs = 3'155'760'000'000'000;  // 100,000 years
  const int64_t scale = unit == SampleFormat::TimeUnit::kSeconds ? 1000 : 1;
  const char* end = text.data() + text.size();
  int64_t whole = 0;
  const auto [stop, error] = std::from_chars(text.data(), end, whole);
  if (error == std::errc() && stop == end) {
    if (whole > kFarthestMs / scale || whole < -kFarthestMs / scale) {
      return false;
    }
    *milliseconds = whole * scale;
    return true;
  }
  double number = 0.0;
  if (!ParseNumber(text, &number)) {
    return false;
  }
  number = std::floor(number * static_cast<double>(scale));
  if (std::abs(number) > static_cast<double>(kFarthestMs)) {
    return false;
  }
  *milliseconds = static_cast<int64_t>(number);
  return true;
}

std::string Excerpt(std::string_view text) {
  constexpr size_t kLongest = 60;
  std::string excerpt = "'";
  for (const char c : text.substr(0, kLongest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7f) {
      excerpt += fmt::format("\\x{:02x}", byte);
    } else {
      excerpt += c;
    }
  }
  return excerpt + (text.size() > kLongest ? "...'" : "'");
}

}  // namespace freshet
