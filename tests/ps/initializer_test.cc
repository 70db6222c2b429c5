#include "ps/initializer.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <numbers>
#include <random>
#include <vector>

#include "ps/normal.h"
#include "tests/ps/models.h"

namespace freshet::ps {
namespace {

using test::InitializerOf;

std::vector<float> Fill(const std::vector<proto::Initializer>& initializers,
                        uint64_t seed,
                        Key key,
                        uint32_t dim) {
  std::vector<float> value(dim, -77.0F);
  RowInitializer(initializers, seed, dim).Fill(key, value);
  return value;
}

TEST_CASE("initial values are those that were written down", "[ps]") {
  // Golden: other programs compute them too (docs/optimizers.md), and versions rely on them.
  const std::vector<float> uniform =
      Fill({InitializerOf(proto::Initializer::UNIFORM, 0.5F)}, 7, 0x123456789abcdef0U, 3);
  const std::vector<float> normal =
      Fill({InitializerOf(proto::Initializer::NORMAL, 0.01F)}, 7, 0x123456789abcdef0U, 3);
  CAPTURE(uniform, normal);
  CHECK(uniform == std::vector<float>{0.332832813F, -0.209880233F, -0.141055822F});
  for (int i = 0; i < 3; ++i) {
    const std::vector<float> golden = {0.00481225131F, -0.0112041216F, -0.00755154574F};
    CHECK_THAT(normal[i], Catch::Matchers::WithinRel(golden[i], 1e-6F));
  }
}

TEST_CASE("initializers split the columns of a row", "[ps]") {
  const std::vector<float> value = Fill({InitializerOf(proto::Initializer::ZEROS, 0, 1),
                                         InitializerOf(proto::Initializer::CONSTANT, 2.5F, 2),
                                         InitializerOf(proto::Initializer::UNIFORM, 0.1F)},
                                        1,
                                        99,
                                        6);
  CHECK(value[0] == 0.0F);
  CHECK(value[1] == 2.5F);
  CHECK(value[2] == 2.5F);
  // Column 3 draws what it would draw if it were alone.
  const std::vector<float> alone =
      Fill({InitializerOf(proto::Initializer::UNIFORM, 0.1F)}, 1, 99, 6);
  CHECK(std::equal(value.begin() + 3, value.end(), alone.begin() + 3));
}

TEST_CASE("columns that no initializer takes are zero", "[ps]") {
  const std::vector<float> value =
      Fill({InitializerOf(proto::Initializer::CONSTANT, 1.0F, 2)}, 1, 5, 4);
  CHECK(value == std::vector<float>{1, 1, 0, 0});
  CHECK(Fill({}, 1, 5, 2) == std::vector<float>{0, 0});
}

TEST_CASE("initial values have the mean and the spread that they should", "[ps]") {
  constexpr int kRows = 20000;
  double sum = 0;
  double squares = 0;
  double least = 0;
  double most = 0;
  double normal_sum = 0;
  double normal_squares = 0;
  for (Key key = 0; key < kRows; ++key) {  // neighbouring keys on purpose
    const float u = Fill({InitializerOf(proto::Initializer::UNIFORM, 2.0F)}, 3, key, 1)[0];
    const float n = Fill({InitializerOf(proto::Initializer::NORMAL, 2.0F)}, 3, key, 1)[0];
    sum += u;
    squares += double{u} * u;
    least = std::min<double>(least, u);
    most = std::max<double>(most, u);
    normal_sum += n;
    normal_squares += double{n} * n;
  }
  // Five standard errors: of a uniform 2/sqrt(3), of a normal 2, each over sqrt(20000).
  CHECK(std::abs(sum / kRows) < 5 * 1.155 / std::sqrt(kRows));
  CHECK(squares / kRows == Approx(4.0 / 3).epsilon(0.04));
  CHECK(least >= -2.0);
  CHECK(most < 2.0);
  CHECK(std::abs(normal_sum / kRows) < 5 * 2.0 / std::sqrt(kRows));
  CHECK(normal_squares / kRows == Approx(4.0).epsilon(0.05));
}

// The formula of docs/optimizers.md with the C library's functions.
float NormalByLibrary(uint64_t row_seed, uint32_t column, double scale) {
  const uint64_t draw = row_seed + 2 * uint64_t{column};
  const double u1 = static_cast<double>((SplitMix64(draw) >> 11U) + 1) * 0x1p-53;
  const double u2 = static_cast<double>(SplitMix64(draw + 1) >> 11U) * 0x1p-53;
  return static_cast<float>(scale * std::sqrt(-2.0 * std::log(u1)) *
                            std::cos(2.0 * std::numbers::pi * u2));
}

// Two roundings of doubles that are alike in 50 bits may fall to neighbouring floats. Where the
// cosine is 0 the two differ by what is left of the rounding of pi.
void CheckNormal(uint64_t row_seed, uint32_t first, uint32_t count) {
  std::vector<float> columns(count);
  FillNormal(row_seed, first, 0.02, columns);
  for (uint32_t i = 0; i < count; ++i) {
    const float expected = NormalByLibrary(row_seed, first + i, 0.02);
    INFO("row " << row_seed << ", column " << first + i << ": " << columns[i] << ", " << expected);
    CHECK(std::abs(columns[i] - expected) <= 1.2e-7F * std::abs(expected) + 1e-16F);
  }
}

TEST_CASE("normal values are those of the C library, however many columns there are", "[ps]") {
  std::mt19937_64 random(11);
  for (uint32_t i = 0; i < 2000; ++i) {
    CheckNormal(random(), i % 7, i % 40);
  }
}

TEST_CASE("normal values hold at the edges of what can be drawn", "[ps]") {
  // The first draw is the logarithm's: of the least, of 1, of what is beside 1, 1/2, 1/sqrt(2).
  const uint64_t root = static_cast<uint64_t>(std::sqrt(0.5) * 0x1p53) << 11U;
  for (const uint64_t edge : {uint64_t{0}, uint64_t{1} << 63U, root, ~uint64_t{0}}) {
    for (int64_t beside = -3; beside <= 3; ++beside) {
      CheckNormal(UnmixSplitMix64(edge + (static_cast<uint64_t>(beside) << 11U)), 0, 1);
    }
  }
  // The second is the cosine's: at each eighth of a turn, and beside it.
  for (uint64_t eighth = 0; eighth < 8; ++eighth) {
    for (int64_t beside = -3; beside <= 3; ++beside) {
      const uint64_t draw = (eighth << 61U) + (static_cast<uint64_t>(beside) << 11U);
      CheckNormal(UnmixSplitMix64(draw) - 1, 0, 1);
    }
  }
}

}  // namespace
}  // namespace freshet::ps
