#pragma once
#include <cstddef>

// Functions compiled once for each generation of x86-64 vectors; the dynamic linker picks the best
// one that the machine has. Results are the same bits in each: the library is compiled with
// -ffp-contract=off, and vectors round as scalars do.
//
// FRESHET_TARGET_CLONES stands before a function that is no template. What it is to vectorise must
// be inlined into it: FRESHET_INLINE. Only g++ has it here; clang 14 has none. Under a sanitizer
// there is none either: the picking runs before the sanitizer's own beginning.
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define FRESHET_TARGET_CLONES __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define FRESHET_TARGET_CLONES
#endif

#define FRESHET_INLINE __attribute__((always_inline)) inline
// Between a lambda's parameters and its body.
#define FRESHET_INLINE_LAMBDA __attribute__((always_inline))

// Before a loop whose iterations do not depend on each other.
#if defined(__clang__)
#define FRESHET_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define FRESHET_INDEPENDENT _Pragma("GCC ivdep") _Pragma("GCC unroll 1")
#endif

namespace freshet::ps {

template <size_t kColumns, typename Body>
FRESHET_INLINE void ForBlocks(size_t dim, size_t* column, const Body& body) {
  for (; dim - *column >= kColumns; *column += kColumns) {
    FRESHET_INDEPENDENT
    for (size_t i = 0; i < kColumns; ++i) {
      body(*column + i);
    }
  }
}

// body(column) for each column of a row, independent of the others. In blocks whose lengths the
// compiler knows: it makes vectors of a loop of unknown length for the widest ones only, and a row
// of 9 columns would be stepped one by one.
template <typename Body>
FRESHET_INLINE void ForColumns(size_t dim, const Body& body) {
  size_t column = 0;
  ForBlocks<16>(dim, &column, body);
  ForBlocks<8>(dim, &column, body);
  ForBlocks<4>(dim, &column, body);
  ForBlocks<1>(dim, &column, body);
}

}  // namespace freshet::ps
