#pragma once
#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>

// Values of config keys, from their text. All of the text has to be the value.
namespace freshet {

// Decimal. Numbers that do not fit, nan and inf are none.
template <typename Number>
std::optional<Number> ParseConfigNumber(std::string_view text) {
  Number number{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end) {
    return std::nullopt;
  }
  if constexpr (std::is_floating_point_v<Number>) {
    if (!std::isfinite(number)) {
      return std::nullopt;
    }
  }
  return number;
}

// "250ms", "5s", "1.5s", "2m", "1h"; whole milliseconds.
std::optional<int64_t> ParseMilliseconds(std::string_view text);

// "100", "100B", "512KiB", "2MiB", "2GiB", "1TiB"; whole bytes.
std::optional<uint64_t> ParseBytes(std::string_view text);

}  // namespace freshet
