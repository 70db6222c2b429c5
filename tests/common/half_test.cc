#include "common/half.h"

#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace freshet {
namespace {

constexpr uint32_t kHalves = 65536;

uint32_t Bits(float value) {
  return std::bit_cast<uint32_t>(value);
}

bool IsNan16(uint16_t half, uint16_t infinity) {
  return (half & 0x7fff) > infinity;
}

// One of the two types, as the tests see it.
struct Type {
  uint16_t infinity;
  uint16_t (*to)(float);
  float (*from)(uint16_t);
  uint16_t (*stochastic)(float, uint16_t);
  void (*to_batch)(std::span<const float>, std::span<uint16_t>);
  void (*from_batch)(std::span<const uint16_t>, std::span<float>);
  void (*stochastic_batch)(std::span<const float>, std::span<const uint16_t>, std::span<uint16_t>);
};

constexpr Type kF16{0x7c00, ToF16, FromF16, ToF16Stochastic, ToF16, FromF16, ToF16Stochastic};
constexpr Type kBf16{
    0x7f80, ToBf16, FromBf16, ToBf16Stochastic, ToBf16, FromBf16, ToBf16Stochastic};

// By the definition of binary16, in doubles.
double F16ByDefinition(uint16_t half) {
  const int exponent = (half >> 10) & 0x1f;
  const int fraction = half & 0x3ff;
  const double sign = (half & 0x8000) != 0 ? -1.0 : 1.0;
  return exponent == 0 ? sign * std::ldexp(fraction, -24)
                       : sign * std::ldexp(1024 + fraction, exponent - 25);
}

// Floats around every half, and random ones.
std::vector<float> InterestingFloats(const Type& type) {
  std::vector<float> floats;
  for (uint32_t half = 0; half < kHalves; ++half) {
    const uint32_t exact = Bits(type.from(static_cast<uint16_t>(half)));
    for (const uint32_t bits : {exact, exact + 1, exact - 1}) {
      floats.push_back(std::bit_cast<float>(bits));
    }
    // Half way to the next, and just beside.
    const double here = type.from(static_cast<uint16_t>(half));
    const double next = type.from(static_cast<uint16_t>(half + 1));
    if (std::isfinite(here) && std::isfinite(next)) {
      const auto middle = static_cast<float>((here + next) / 2);
      floats.push_back(middle);
      floats.push_back(std::nextafter(middle, static_cast<float>(here)));
      floats.push_back(std::nextafter(middle, static_cast<float>(next)));
    }
  }
  std::mt19937 random(7);
  for (int i = 0; i < 300'000; ++i) {
    floats.push_back(std::bit_cast<float>(static_cast<uint32_t>(random())));
  }
  for (const float value : {65519.996F, 65520.0F, 65535.0F, 65536.0F, 0x1p-25F, 0x1.000002p-25F}) {
    floats.push_back(value);
    floats.push_back(-value);
  }
  return floats;
}

TEST_CASE("a half is widened to the value that its definition gives it", "[base]") {
  for (uint32_t i = 0; i < kHalves; ++i) {
    const auto half = static_cast<uint16_t>(i);
    const float f16 = FromF16(half);
    if ((half & 0x7fff) < kF16.infinity) {
      REQUIRE(static_cast<double>(f16) == F16ByDefinition(half));
      REQUIRE(std::signbit(f16) == ((half & 0x8000) != 0));
    }
    REQUIRE(std::isnan(f16) == IsNan16(half, kF16.infinity));
    REQUIRE(Bits(FromBf16(half)) == i << 16U);
  }
  CHECK(FromF16(0x7c00) == std::numeric_limits<float>::infinity());
  CHECK(FromF16(0xfc00) == -std::numeric_limits<float>::infinity());
}

TEST_CASE("every half comes back from the float that it widens to", "[base]") {
  for (uint32_t i = 0; i < kHalves; ++i) {
    const auto half = static_cast<uint16_t>(i);
    // A signaling NaN of F16 comes back quiet.
    const uint16_t quiet = IsNan16(half, kF16.infinity) ? 0x200 : 0;
    REQUIRE(ToF16(FromF16(half)) == (half | quiet));
    REQUIRE(ToBf16(FromBf16(half)) == half);
  }
}

TEST_CASE("a float becomes the nearest half, the even one of two", "[base]") {
  const Type type = GENERATE(kF16, kBf16);
  for (const float value : InterestingFloats(type)) {
    const uint16_t half = type.to(value);
    INFO(std::hexfloat << value << " -> " << half);
    if (std::isnan(value)) {
      REQUIRE(IsNan16(half, type.infinity));
      continue;
    }
    REQUIRE(((half & 0x8000) != 0) == std::signbit(value));
    const double magnitude = std::fabs(static_cast<double>(value));
    const auto at = static_cast<uint16_t>(half & 0x7fff);
    // An infinity counts as what would come after the largest.
    const auto of = [&](uint16_t h) {
      const double step = type.from(static_cast<uint16_t>(type.infinity - 1)) -
                          static_cast<double>(type.from(static_cast<uint16_t>(type.infinity - 2)));
      return h == type.infinity ? type.from(static_cast<uint16_t>(h - 1)) + step
                                : static_cast<double>(type.from(h));
    };
    if (at == type.infinity) {
      const double largest = type.from(static_cast<uint16_t>(at - 1));
      REQUIRE(magnitude >= (largest + of(at)) / 2);
      continue;
    }
    const double distance = std::fabs(magnitude - of(at));
    for (const int step : {-1, 1}) {
      if (at == 0 && step < 0) {
        continue;
      }
      const double other = std::fabs(magnitude - of(static_cast<uint16_t>(at + step)));
      REQUIRE((distance < other || (distance == other && at % 2 == 0)));
    }
  }
}

TEST_CASE("a batch gives the same bits as one value at a time", "[base]") {
  const Type type = GENERATE(kF16, kBf16);
  const std::vector<float> floats = InterestingFloats(type);
  std::mt19937 generator(11);
  std::vector<uint16_t> random(floats.size());
  for (uint16_t& bits : random) {
    bits = static_cast<uint16_t>(generator());
  }
  std::vector<uint16_t> halves(floats.size());
  type.to_batch(floats, halves);
  std::vector<uint16_t> stochastic(floats.size());
  type.stochastic_batch(floats, random, stochastic);
  for (size_t i = 0; i < floats.size(); ++i) {
    INFO(std::hex << Bits(floats[i]));
    REQUIRE(halves[i] == type.to(floats[i]));
    REQUIRE(stochastic[i] == type.stochastic(floats[i], random[i]));
  }
  std::vector<uint16_t> all(kHalves);
  for (uint32_t i = 0; i < kHalves; ++i) {
    all[i] = static_cast<uint16_t>(i);
  }
  std::vector<float> widened(kHalves);
  type.from_batch(all, widened);
  for (uint32_t i = 0; i < kHalves; ++i) {
    REQUIRE(Bits(widened[i]) == Bits(type.from(all[i])));
  }
  // Each length goes another way through a batch.
  for (size_t size = 0; size < 40; ++size) {
    std::vector<uint16_t> few(size);
    type.to_batch(std::span(floats).first(size), few);
    for (size_t i = 0; i < size; ++i) {
      REQUIRE(few[i] == type.to(floats[i]));
    }
  }
}

TEST_CASE("stochastic rounding leads to one of the two neighbours", "[base]") {
  const Type type = GENERATE(kF16, kBf16);
  for (const float value : InterestingFloats(type)) {
    const uint16_t low = type.stochastic(value, 0xffff);
    const uint16_t high = type.stochastic(value, 0);
    INFO(std::hexfloat << value << " -> " << low << " or " << high);
    if (std::isnan(value)) {
      REQUIRE(IsNan16(low, type.infinity));
      REQUIRE(low == high);
      continue;
    }
    if (Bits(type.from(type.to(value))) == Bits(value)) {  // exact
      REQUIRE(low == type.to(value));
      REQUIRE(high == low);
      continue;
    }
    REQUIRE(std::fabs(type.from(low)) < std::fabs(value));
    const auto largest = static_cast<uint16_t>(type.infinity - 1);
    if ((low & 0x7fff) == largest) {
      REQUIRE(high == low);
      continue;
    }
    // What is less than 2^-16 of the way up never goes there.
    REQUIRE((high == low || high == low + 1));
    REQUIRE(std::fabs(type.from(static_cast<uint16_t>(low + 1))) > std::fabs(value));
    REQUIRE(std::signbit(type.from(low)) == std::signbit(value));
  }
}

TEST_CASE("stochastic rounding has the value as its mean", "[base]") {
  const Type type = GENERATE(kF16, kBf16);
  const float value = GENERATE(1.0001F,
                               -3.14159F,
                               0.0123456F,
                               60001.5F,
                               -7.3e-6F,  // subnormal in F16
                               1.2e-8F);  // below the smallest of F16
  // All 65,536 random numbers, each once: the mean is off by less than one of them.
  double sum = 0;
  for (uint32_t random = 0; random < kHalves; ++random) {
    sum += type.from(type.stochastic(value, static_cast<uint16_t>(random)));
  }
  const uint16_t low = type.stochastic(value, 0xffff);
  const double step = std::fabs(static_cast<double>(type.from(static_cast<uint16_t>(low + 1))) -
                                static_cast<double>(type.from(low)));
  const double error = std::fabs(sum / kHalves - static_cast<double>(value));
  INFO(value << ": off by " << error << ", a step is " << step);
  CHECK(error <= step / kHalves);
}

TEST_CASE("values beyond the largest half", "[base]") {
  const float infinity = std::numeric_limits<float>::infinity();
  CHECK(ToF16(65519.996F) == 0x7bff);
  CHECK(ToF16(65520.0F) == 0x7c00);
  CHECK(ToF16(-1e30F) == 0xfc00);
  CHECK(ToBf16(3.4e38F) == 0x7f80);
  CHECK(ToF16Stochastic(65519.0F, 0) == 0x7bff);
  CHECK(ToF16Stochastic(-1e30F, 0) == 0xfbff);
  CHECK(ToF16Stochastic(infinity, 0) == 0x7c00);
  CHECK(ToBf16Stochastic(3.4e38F, 0) == 0x7f7f);
  CHECK(ToBf16Stochastic(-infinity, 0xffff) == 0xff80);
  // Payload in the lower half alone: still a NaN.
  CHECK(ToBf16(std::bit_cast<float>(0x7f800001U)) == 0x7fc0);
}

}  // namespace
}  // namespace freshet
