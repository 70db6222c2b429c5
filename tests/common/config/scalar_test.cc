#include "common/config/scalar.h"

#include <catch2/catch.hpp>

using freshet::ParseBytes;
using freshet::ParseConfigNumber;
using freshet::ParseMilliseconds;

TEST_CASE("durations have a unit and come out as whole milliseconds", "[config]") {
  CHECK(ParseMilliseconds("250ms") == 250);
  CHECK(ParseMilliseconds("5s") == 5000);
  CHECK(ParseMilliseconds("1.5s") == 1500);
  CHECK(ParseMilliseconds("2m") == 120'000);
  CHECK(ParseMilliseconds("1h") == 3'600'000);
  CHECK(ParseMilliseconds("0s") == 0);
  for (const char* wrong :
       {"", "5", "s", "5 s", "-5s", "0.5ms", "5sec", "1s2", "nan s", "1e300h"}) {
    INFO(wrong);
    CHECK_FALSE(ParseMilliseconds(wrong).has_value());
  }
}

TEST_CASE("byte counts are powers of 1024 or plain", "[config]") {
  CHECK(ParseBytes("4096") == 4096U);
  CHECK(ParseBytes("100B") == 100U);
  CHECK(ParseBytes("512KiB") == 524'288U);
  CHECK(ParseBytes("1.5MiB") == 1'572'864U);
  CHECK(ParseBytes("2GiB") == 2'147'483'648U);
  CHECK(ParseBytes("1TiB") == 1'099'511'627'776U);
  for (const char* wrong : {"", "KiB", "1KB", "-1", "1.5", "0.3KiB", "1 KiB", "99999999TiB"}) {
    INFO(wrong);
    CHECK_FALSE(ParseBytes(wrong).has_value());
  }
}

TEST_CASE("numbers that do not fit their type are none", "[config]") {
  CHECK(ParseConfigNumber<uint16_t>("65535") == 65535);
  CHECK_FALSE(ParseConfigNumber<uint16_t>("65536").has_value());
  CHECK_FALSE(ParseConfigNumber<uint32_t>("-1").has_value());
  CHECK_FALSE(ParseConfigNumber<int>("1.5").has_value());
  CHECK_FALSE(ParseConfigNumber<int>("1 ").has_value());
  CHECK_FALSE(ParseConfigNumber<double>("nan").has_value());
  CHECK_FALSE(ParseConfigNumber<double>("inf").has_value());
  CHECK_FALSE(ParseConfigNumber<float>("1e39").has_value());
  CHECK(ParseConfigNumber<float>("0.05") == 0.05F);
}
