#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "common/copy_floats.h"

namespace freshet::worker {

// Rows of a batch, of `dim` floats each, on their way into a message and out of one.

// to[i] = from[indices[i]]
inline void GatherRows(const float* from,
                       std::span<const uint32_t> indices,
                       size_t dim,
                       float* to) {
  for (const uint32_t index : indices) {
    CopyFloats(from + index * dim, dim, to);
    to += dim;
  }
}

// to[indices[i]] = from[i]
inline void ScatterRows(const float* from,
                        std::span<const uint32_t> indices,
                        size_t dim,
                        float* to) {
  for (const uint32_t index : indices) {
    CopyFloats(from, dim, to + index * dim);
    from += dim;
  }
}

}  // namespace freshet::worker
