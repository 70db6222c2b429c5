#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace freshet::worker {

// Rows of a batch, of `dim` floats each, on their way into a message and out of one. Most have few
// floats, and a call of memcpy for each would cost as much as the copy.

// A line at a time.
inline void CopyRow(const float* from, size_t dim, float* to) {
  constexpr size_t kFloats = 16;
  size_t done = 0;
  for (; done + kFloats <= dim; done += kFloats) {
    std::memcpy(to + done, from + done, kFloats * sizeof(float));
  }
  for (; done < dim; ++done) {
    to[done] = from[done];
  }
}

// to[i] = from[indices[i]]
inline void GatherRows(const float* from,
                       std::span<const uint32_t> indices,
                       size_t dim,
                       float* to) {
  for (const uint32_t index : indices) {
    CopyRow(from + index * dim, dim, to);
    to += dim;
  }
}

// to[indices[i]] = from[i]
inline void ScatterRows(const float* from,
                        std::span<const uint32_t> indices,
                        size_t dim,
                        float* to) {
  for (const uint32_t index : indices) {
    CopyRow(from, dim, to + index * dim);
    from += dim;
  }
}

}  // namespace freshet::worker
