#include "common/sample/number.h"

#include <catch2/catch.hpp>

using freshet::ParseEventTime;
using freshet::ParseNumber;
using TimeUnit = freshet::SampleFormat::TimeUnit;

namespace {

std::optional<double> Number(std::string_view text) {
  double number = 0.0;
  return ParseNumber(text, &number) ? std::optional(number) : std::nullopt;
}

std::optional<int64_t> Time(std::string_view text, TimeUnit unit) {
  int64_t milliseconds = 0;
  return ParseEventTime(text, unit, &milliseconds) ? std::optional(milliseconds) : std::nullopt;
}

}  // namespace

TEST_CASE("numbers are decimal, signed and finite", "[sample]") {
  CHECK(Number("3") == 3.0);
  CHECK(Number("-0.5") == -0.5);
  CHECK(Number("+4") == 4.0);
  CHECK(Number("1e6") == 1e6);
  CHECK(Number(".5") == 0.5);
  for (const char* wrong :
       {"", "+", "-", "+-1", "++1", " 1", "1 ", "1,5", "0x10", "nan", "inf", "1e999", "1.2.3"}) {
    INFO(wrong);
    CHECK_FALSE(Number(wrong).has_value());
  }
}

TEST_CASE("event times come out in milliseconds", "[sample]") {
  CHECK(Time("964982703", TimeUnit::kSeconds) == 964982703000);
  CHECK(Time("964982703123", TimeUnit::kMilliseconds) == 964982703123);
  CHECK(Time("964982703.25", TimeUnit::kSeconds) == 964982703250);
  CHECK(Time("1.5e9", TimeUnit::kSeconds) == 1500000000000);
  CHECK(Time("-1", TimeUnit::kSeconds) == -1000);
  CHECK(Time("-0.0001", TimeUnit::kSeconds) == -1);
  for (const char* wrong : {"", "yesterday", "2024-01-01", "9223372036854775807", "1e30", "1s"}) {
    INFO(wrong);
    CHECK_FALSE(Time(wrong, TimeUnit::kSeconds).has_value());
  }
}
