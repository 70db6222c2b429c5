#pragma once
#include <cstddef>
#include <cstdint>

namespace freshet {

// A matrix in memory that a product reads.
template <typename T>
struct GemmOperand {
  const T* values = nullptr;
  size_t columns = 0;  // as it lies in memory
  bool transposed = false;
};

struct GemmShape {
  size_t m = 0;
  size_t n = 0;
  size_t k = 0;
  bool add = false;  // to what `out` holds
};

// out [m, n] = a [m, k] b [k, n], or += that, on the calling thread alone, by oneDNN.
void Gemm(const GemmOperand<float>& a,
          const GemmOperand<float>& b,
          const GemmShape& shape,
          float* out);

// The same of bf16 numbers, summed in float32. False, with nothing done: this processor has no
// instructions for it.
bool GemmBf16(const GemmOperand<uint16_t>& a,
              const GemmOperand<uint16_t>& b,
              const GemmShape& shape,
              float* out);

}  // namespace freshet
