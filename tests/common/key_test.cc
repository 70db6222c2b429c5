#include "common/key.h"

#include <catch2/catch.hpp>
#include <random>

namespace freshet {
namespace {

TEST_CASE("the mix of 64 bits is what its paper says", "[base]") {
  // The first outputs of the reference implementation with seed 0: each adds the increment.
  CHECK(SplitMix64(0) == 0xe220a8397b1dcdafU);
  CHECK(SplitMix64(0x9e3779b97f4a7c15U) == 0x6e789e6aa1b965f4U);
}

TEST_CASE("the mix of 64 bits is undone by its inverse", "[base]") {
  for (int shift = 0; shift < 64; ++shift) {
    const uint64_t bit = uint64_t{1} << shift;
    for (const uint64_t x : {bit, ~bit, bit - 1}) {
      REQUIRE(UnmixSplitMix64(SplitMix64(x)) == x);
      REQUIRE(SplitMix64(UnmixSplitMix64(x)) == x);
    }
  }
  const uint64_t seed = std::random_device()();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 100'000; ++i) {
    const uint64_t x = random();
    REQUIRE(UnmixSplitMix64(SplitMix64(x)) == x);
  }
}

}  // namespace
}  // namespace freshet
