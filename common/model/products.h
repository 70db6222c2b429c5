#pragma once

namespace freshet {

// How the products of dense layers are computed; sums are float32 always.
enum class Products {
  kF32,
  kBf16,  // of operands rounded to bf16: for processors with instructions for that (AMX, AVX-512)
};

}  // namespace freshet
