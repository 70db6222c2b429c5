#include "common/model/dense/matrix.h"

#include <catch2/catch.hpp>
#include <random>
#include <vector>

#include "common/half.h"
#include "tests/common/model/model_fixture.h"

namespace freshet {
namespace {

Matrix RandomMatrix(size_t rows, size_t columns, std::mt19937_64& random) {
  Matrix matrix;
  matrix.Resize(rows, columns);
  std::vector<float> values(rows * columns);
  test::FillNormal(random, 1.0F, &values);
  std::copy(values.begin(), values.end(), matrix.values().begin());
  return matrix;
}

Matrix Transposed(const Matrix& matrix) {
  Matrix transposed;
  transposed.Resize(matrix.columns(), matrix.rows());
  for (size_t row = 0; row < matrix.rows(); ++row) {
    for (size_t column = 0; column < matrix.columns(); ++column) {
      transposed.Row(column)[row] = matrix.Row(row)[column];
    }
  }
  return transposed;
}

double As(Products products, float value) {
  return products == Products::kF32 ? double{value} : double{FromBf16(ToBf16(value))};
}

// a b in double, of operands as `products` has them.
std::vector<double> Reference(const Matrix& a, const Matrix& b, Products products) {
  std::vector<double> out(a.rows() * b.columns());
  for (size_t i = 0; i < a.rows(); ++i) {
    for (size_t j = 0; j < b.columns(); ++j) {
      for (size_t k = 0; k < a.columns(); ++k) {
        out[i * b.columns() + j] += As(products, a.Row(i)[k]) * As(products, b.Row(k)[j]);
      }
    }
  }
  return out;
}

// Float sums of so many terms of size 1 are off by less than this.
void CheckClose(std::span<const float> got, const std::vector<double>& expected, double offset) {
  REQUIRE(got.size() == expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    REQUIRE(double{got[i]} == Approx(expected[i] + offset).margin(1e-4));
  }
}

}  // namespace

TEST_CASE("products are those of a loop, of operands rounded as asked for", "[model]") {
  const Products products = GENERATE(Products::kF32, Products::kBf16);
  const auto seed = GENERATE(range(0U, 12U));
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  const size_t rows = 1 + random() % 70;
  const size_t inner = 1 + random() % 200;
  const size_t columns = 1 + random() % 70;
  const Matrix a = RandomMatrix(rows, inner, random);
  const Matrix b = RandomMatrix(inner, columns, random);
  const std::vector<double> expected = Reference(a, b, products);
  Matrix out;
  Multiply(a, {b.values(), inner, columns}, products, &out);
  CheckClose(out.values(), expected, 0.0);
  const Matrix b_transposed = Transposed(b);
  MultiplyTransposed(a, {b_transposed.values(), columns, inner}, products, &out);
  CheckClose(out.values(), expected, 0.0);
  std::vector<float> sum(rows * columns, 2.0F);
  AddTransposedProduct(Transposed(a), b, products, sum);
  CheckClose(sum, expected, 2.0);
}

TEST_CASE("a product over nothing is zero", "[model]") {
  const Products products = GENERATE(Products::kF32, Products::kBf16);
  Matrix a;
  a.Resize(3, 0);
  Matrix out;
  Multiply(a, {{}, 0, 2}, products, &out);
  CHECK(std::vector<float>(out.values().begin(), out.values().end()) == std::vector<float>(6, 0));
}

}  // namespace freshet
