#include "common/cluster/wire_floats.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <random>
#include <vector>

#include "common/buffer.h"

namespace freshet {
namespace {

std::vector<float> Normal(size_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(0.0F, 0.1F);
  std::vector<float> floats(count);
  for (float& value : floats) {
    value = normal(random);
  }
  return floats;
}

TEST_CASE("floats on the wire come back, rows to half precision and dense ones exactly",
          "[cluster]") {
  for (const auto& [type, error] : {std::pair(proto::F32, 0.0),
                                    std::pair(proto::F16, 0x1p-11),
                                    std::pair(proto::BF16, 0x1p-8)}) {
    for (const size_t rows : {0U, 1U, 2U, 1023U, 5000U}) {
      const std::vector<float> row_floats = Normal(rows, rows);
      const std::vector<float> dense_floats = Normal(7, 3);
      Buffer wire(WireFloatBytes(rows, 7, type));
      CHECK(wire.size() % 4 == 0);
      EncodeFloats(row_floats, dense_floats, type, wire.data());
      std::vector<float> row_back(rows);
      std::vector<float> dense_back(7);
      DecodeFloats(wire.data(), type, row_back, dense_back);
      CHECK(dense_back == dense_floats);
      for (size_t i = 0; i < rows; ++i) {
        REQUIRE(std::abs(row_back[i] - row_floats[i]) <=
                error * std::abs(double{row_floats[i]}) + (type == proto::F16 ? 1e-7 : 0.0));
      }
    }
  }
}

TEST_CASE("gradients rounded by chance keep their mean, and are the same when sent again",
          "[cluster]") {
  const std::vector<float> gradients(1000, 0.1003F);
  double sum = 0.0;
  constexpr uint64_t kSends = 200;
  for (uint64_t send = 0; send < kSends; ++send) {
    Buffer wire(WireFloatBytes(1000, 0, proto::BF16));
    Buffer again(wire.size());
    EncodeFloatsByChance(gradients, {}, proto::BF16, send * 7919, wire.data());
    EncodeFloatsByChance(gradients, {}, proto::BF16, send * 7919, again.data());
    CHECK(std::equal(wire.bytes().begin(), wire.bytes().end(), again.bytes().begin()));
    std::vector<float> back(1000);
    DecodeFloats(wire.data(), proto::BF16, back, {});
    for (const float value : back) {
      sum += double{value};
    }
  }
  // The nearest value would be off by 1e-3 of it; a neighbour lies 4e-3 away.
  CHECK(sum / (kSends * 1000) == Approx(0.1003).epsilon(1e-4));
}

}  // namespace
}  // namespace freshet
