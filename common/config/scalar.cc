#include "common/config/scalar.h"

#include <array>

namespace freshet {
namespace {

struct Unit {
  std::string_view name;
  double size;
};

// A number and a unit; whole after multiplication, not negative, and exact as a double.
std::optional<uint64_t> ParseWithUnit(std::string_view text, const auto& units) {
  const size_t digits = text.find_last_of("0123456789") + 1;  // 0 if there is none
  const auto number = ParseConfigNumber<double>(text.substr(0, digits));
  if (!number.has_value() || *number < 0) {
    return std::nullopt;
  }
  for (const Unit& unit : units) {
    if (unit.name == text.substr(digits)) {
      constexpr double kLargestExact = 9007199254740992.0;  // 2^53
      const double product = *number * unit.size;
      if (product > kLargestExact || product != std::floor(product)) {
        return std::nullopt;
      }
      return static_cast<uint64_t>(product);
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<int64_t> ParseMilliseconds(std::string_view text) {
  static constexpr std::array<Unit, 4> kUnits = {
      {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}}};
  const auto milliseconds = ParseWithUnit(text, kUnits);
  if (!milliseconds.has_value()) {
    return std::nullopt;
  }
  return static_cast<int64_t>(*milliseconds);
}

std::optional<uint64_t> ParseBytes(std::string_view text) {
  static constexpr double kKibi = 1024.0;
  static constexpr std::array<Unit, 6> kUnits = {{{"", 1},
                                                  {"B", 1},
                                                  {"KiB", kKibi},
                                                  {"MiB", kKibi * kKibi},
                                                  {"GiB", kKibi * kKibi * kKibi},
                                                  {"TiB", kKibi * kKibi * kKibi * kKibi}}};
  return ParseWithUnit(text, kUnits);
}

}  // namespace freshet
