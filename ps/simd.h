#pragma once

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
