#include "common/version_log/serving_values.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>

#include "common/half.h"
#include "common/version_log/part_file.h"
#include "tests/common/version_log/contents.h"

namespace freshet::test {
namespace {

constexpr uint32_t kDim = 5;

// Rows of very different sizes.
EmbeddingRows RandomRows(uint64_t seed, size_t count) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  EmbeddingRows rows;
  rows.variable = "factors";
  rows.dim = kDim;
  rows.state_dim = 1;
  for (size_t i = 0; i < count; ++i) {
    const float size = std::pow(10.0F, static_cast<float>(random() % 9) - 4.0F);
    rows.keys.push_back(random());
    for (uint32_t d = 0; d < kDim; ++d) {
      rows.values.push_back(normal(random) * size);
    }
    rows.states.push_back(normal(random));
    rows.frequencies.push_back(1);
    rows.last_updates.push_back(2);
  }
  return rows;
}

struct Written {
  TemporaryDirectory directory;
  proto::PartFile part;
};

EmbeddingRows ReadBack(const Written& written, PartColumns columns) {
  auto contents = ReadPart(LocalFileSystem(), written.directory.path(), written.part, columns);
  INFO(contents.status());
  REQUIRE(contents.ok());
  REQUIRE(contents->embeddings.size() == 1);
  return std::move(contents->embeddings[0]);
}

void Write(const EmbeddingRows& rows, Written* written) {
  PartContents contents;
  contents.embeddings.push_back(rows);
  const auto part = WritePart(LocalFileSystem(), written->directory.path(), "part", contents);
  INFO(part.status());
  REQUIRE(part.ok());
  written->part = *part;
}

}  // namespace

TEST_CASE("an int8 row is off by half a step at most", "[version_log]") {
  const EmbeddingRows rows = RandomRows(1, 500);
  const Int8Rows quantized = QuantizeRows(rows.values, kDim);
  const std::vector<float> back = DequantizeRows(quantized, kDim);
  for (size_t i = 0; i < back.size(); ++i) {
    const float scale = quantized.scales[i / kDim];
    REQUIRE(std::abs(back[i] - rows.values[i]) <= scale * 0.5001F);
  }
  for (size_t row = 0; row < 500; ++row) {
    float largest = 0.0F;
    for (uint32_t d = 0; d < kDim; ++d) {
      largest = std::max(largest, std::abs(back[row * kDim + d]));
    }
    CHECK(largest == Approx(quantized.scales[row] * 127.0F));
  }
}

TEST_CASE("rows of zeros, of tiny numbers and of none have values for serving", "[version_log]") {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> values = {0, 0, 0, 0, 0, 1e-44F, 0, 0, 0, 0, 1, infinity, 0, 0, 0};
  const std::vector<float> back = DequantizeRows(QuantizeRows(values, kDim), kDim);
  CHECK(std::vector<float>(back.begin(), back.begin() + 10) == std::vector<float>(10, 0.0F));
  CHECK(std::isnan(back[10]));
  const std::vector<uint16_t> halves = ServingHalves(std::vector<float>{1e30F, -1e30F, infinity});
  CHECK(FromF16(halves[0]) == 65504.0F);
  CHECK(FromF16(halves[1]) == -65504.0F);
  CHECK(FromF16(halves[2]) == infinity);
}

TEST_CASE("serving reads its own values, and training those that it wrote", "[version_log]") {
  EmbeddingRows rows = RandomRows(2, 300);
  rows.serving_values = GENERATE(proto::HALVES, proto::INT8);
  Written written;
  Write(rows, &written);
  const EmbeddingRows trained = ReadBack(written, PartColumns::kAll);
  CHECK(trained.values == rows.values);
  CHECK(trained.states == rows.states);
  CHECK(trained.serving_values == rows.serving_values);
  const EmbeddingRows served = ReadBack(written, PartColumns::kServing);
  CHECK(served.keys == rows.keys);
  CHECK(served.states.empty());
  CHECK(served.values != rows.values);
  std::vector<float> expected(rows.values.size());
  if (rows.serving_values == proto::INT8) {
    expected = DequantizeRows(QuantizeRows(rows.values, kDim), kDim);
  } else {
    FromF16(ServingHalves(rows.values), expected);
  }
  CHECK(served.values == expected);
}

TEST_CASE("halves need no further halves beside them", "[version_log]") {
  EmbeddingRows rows = RandomRows(3, 10);
  for (float& value : rows.values) {
    value = FromBf16(ToBf16(value));
  }
  rows.value_type = proto::BF16;
  Written plain;
  Write(rows, &plain);
  rows.serving_values = proto::HALVES;
  Written beside;
  Write(rows, &beside);
  CHECK(beside.part.bytes() == plain.part.bytes());
  CHECK(ReadBack(beside, PartColumns::kServing).values == rows.values);
}

}  // namespace freshet::test
