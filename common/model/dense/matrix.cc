#include "common/model/dense/matrix.h"

#include <dnnl.h>

#include "common/check.h"

// Of libgomp, which oneDNN runs on. GCC has a header for it, other compilers have not.
extern "C" void omp_set_num_threads(int threads);

namespace freshet {
namespace {

struct Operand {
  const float* values = nullptr;
  size_t columns = 0;  // as it lies in memory
  bool transposed = false;
};

// out [m, n] = a [m, k] b [k, n] + beta out
void Gemm(
    const Operand& a, const Operand& b, size_t m, size_t n, size_t k, float beta, float* out) {
  // A worker's threads each do their own work: a product that spread over all cores would take them
  // from the stages beside it.
  thread_local const bool one_thread = [] {
    omp_set_num_threads(1);
    return true;
  }();
  FRESHET_CHECK(one_thread);
  if (m == 0 || n == 0) {
    return;
  }
  const dnnl_status_t status = dnnl_sgemm(a.transposed ? 'T' : 'N',
                                          b.transposed ? 'T' : 'N',
                                          static_cast<dnnl_dim_t>(m),
                                          static_cast<dnnl_dim_t>(n),
                                          static_cast<dnnl_dim_t>(k),
                                          1.0F,
                                          a.values,
                                          static_cast<dnnl_dim_t>(a.columns),
                                          b.values,
                                          static_cast<dnnl_dim_t>(b.columns),
                                          beta,
                                          out,
                                          static_cast<dnnl_dim_t>(n));
  FRESHET_CHECK(status == dnnl_success);
}

}  // namespace

void Multiply(const Matrix& a, const WeightView& w, Matrix* out) {
  FRESHET_CHECK(a.columns() == w.rows && w.values.size() == w.rows * w.columns);
  out->Resize(a.rows(), w.columns);
  Gemm({a.values().data(), a.columns()},
       {w.values.data(), w.columns},
       a.rows(),
       w.columns,
       w.rows,
       0.0F,
       out->values().data());
}

void MultiplyTransposed(const Matrix& a, const WeightView& w, Matrix* out) {
  FRESHET_CHECK(a.columns() == w.columns && w.values.size() == w.rows * w.columns);
  out->Resize(a.rows(), w.rows);
  Gemm({a.values().data(), a.columns()},
       {w.values.data(), w.columns, true},
       a.rows(),
       w.rows,
       w.columns,
       0.0F,
       out->values().data());
}

void AddTransposedProduct(const Matrix& a, const Matrix& b, std::span<float> out) {
  FRESHET_CHECK(a.rows() == b.rows() && out.size() == a.columns() * b.columns());
  if (a.rows() == 0) {
    return;
  }
  Gemm({a.values().data(), a.columns(), true},
       {b.values().data(), b.columns()},
       a.columns(),
       b.columns(),
       a.rows(),
       1.0F,
       out.data());
}

}  // namespace freshet
