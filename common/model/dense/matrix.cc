#include "common/model/dense/matrix.h"

#include <algorithm>
#include <cstdint>

#include "common/check.h"
#include "common/half.h"
#include "common/model/dense/gemm.h"

namespace freshet {
namespace {

using Operand = GemmOperand<float>;

size_t SizeOf(const Operand& operand, size_t rows, size_t columns) {
  return operand.columns * (operand.transposed ? columns : rows);
}

// An operand rounded to bf16; both forms keep their memory.
struct Rounded {
  std::vector<uint16_t> halves;
  std::vector<float> values;

  GemmOperand<uint16_t> Round(const Operand& operand, size_t size) {
    halves.resize(size);
    ToBf16(std::span(operand.values, size), halves);
    return {halves.data(), operand.columns, operand.transposed};
  }

  Operand Widened(const Operand& operand) {
    values.resize(halves.size());
    FromBf16(halves, values);
    return {values.data(), operand.columns, operand.transposed};
  }
};

void Product(
    const Operand& a, const Operand& b, const GemmShape& shape, Products products, float* out) {
  if (shape.k == 0 && !shape.add) {
    std::fill_n(out, shape.m * shape.n, 0.0F);
  }
  if (shape.m == 0 || shape.n == 0 || shape.k == 0) {
    return;
  }
  if (products == Products::kF32) {
    Gemm(a, b, shape, out);
    return;
  }
  thread_local Rounded rounded_a;
  thread_local Rounded rounded_b;
  const auto a16 = rounded_a.Round(a, SizeOf(a, shape.m, shape.k));
  const auto b16 = rounded_b.Round(b, SizeOf(b, shape.k, shape.n));
  if (!GemmBf16(a16, b16, shape, out)) {
    Gemm(rounded_a.Widened(a), rounded_b.Widened(b), shape, out);
  }
}

}  // namespace

void Multiply(const Matrix& a, const WeightView& w, Products products, Matrix* out) {
  FRESHET_CHECK(a.columns() == w.rows && w.values.size() == w.rows * w.columns);
  out->Resize(a.rows(), w.columns);
  Product({a.values().data(), a.columns()},
          {w.values.data(), w.columns},
          {.m = a.rows(), .n = w.columns, .k = w.rows},
          products,
          out->values().data());
}

void MultiplyTransposed(const Matrix& a, const WeightView& w, Products products, Matrix* out) {
  FRESHET_CHECK(a.columns() == w.columns && w.values.size() == w.rows * w.columns);
  out->Resize(a.rows(), w.rows);
  Product({a.values().data(), a.columns()},
          {w.values.data(), w.columns, true},
          {.m = a.rows(), .n = w.rows, .k = w.columns},
          products,
          out->values().data());
}

void AddTransposedProduct(const Matrix& a,
                          const Matrix& b,
                          Products products,
                          std::span<float> out) {
  FRESHET_CHECK(a.rows() == b.rows() && out.size() == a.columns() * b.columns());
  if (a.rows() == 0) {
    return;
  }
  Product({a.values().data(), a.columns(), true},
          {b.values().data(), b.columns()},
          {.m = a.columns(), .n = b.columns(), .k = a.rows(), .add = true},
          products,
          out.data());
}

bool HasBf16Products() {
  const uint16_t one = 0x3f80;  // as bf16
  float product = 0.0F;
  return GemmBf16({&one, 1}, {&one, 1}, {.m = 1, .n = 1, .k = 1}, &product);
}

}  // namespace freshet
