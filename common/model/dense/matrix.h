#pragma once
#include <cstddef>
#include <span>
#include <vector>

#include "common/model/products.h"

// Dense arithmetic for models: matrices of float32 and their products.
namespace freshet {

// [rows, columns], one row after the other. Keeps its memory when it gets smaller.
class Matrix {
 public:
  // What it holds then is unspecified.
  void Resize(size_t rows, size_t columns) {
    rows_ = rows;
    columns_ = columns;
    values_.resize(rows * columns);
  }

  size_t rows() const { return rows_; }

  size_t columns() const { return columns_; }

  std::span<float> Row(size_t row) { return values().subspan(row * columns_, columns_); }

  std::span<const float> Row(size_t row) const {
    return values().subspan(row * columns_, columns_);
  }

  std::span<float> values() { return values_; }

  std::span<const float> values() const { return values_; }

 private:
  size_t rows_ = 0;
  size_t columns_ = 0;
  std::vector<float> values_;
};

// Weights of a dense variable as a matrix. Borrowed.
struct WeightView {
  std::span<const float> values;
  size_t rows = 0;
  size_t columns = 0;
};

// Products run on the calling thread alone, on oneDNN, which picks its kernels for the processor at
// run time. On one machine equal arguments give equal bits.

// out = a w; `out` is resized to [a.rows, w.columns].
void Multiply(const Matrix& a, const WeightView& w, Products products, Matrix* out);
// out = a w^T; `out` is resized to [a.rows, w.rows].
void MultiplyTransposed(const Matrix& a, const WeightView& w, Products products, Matrix* out);
// out [a.columns, b.columns] += a^T b
void AddTransposedProduct(const Matrix& a,
                          const Matrix& b,
                          Products products,
                          std::span<float> out);

// Whether this processor has instructions for products of bf16. Without them kBf16 gives what it
// gives with them, up to the order of sums, in the time of kF32 and that of rounding.
bool HasBf16Products();

}  // namespace freshet
