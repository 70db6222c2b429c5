#pragma once
#include <cstddef>
#include <cstring>

namespace freshet {

// As memcpy, for rows: most have few floats, and a call for each would cost as much as the copy. A
// cache line at a time.
inline void CopyFloats(const float* from, size_t count, float* to) {
  constexpr size_t kLine = 16;
  size_t done = 0;
  for (; done + kLine <= count; done += kLine) {
    std::memcpy(to + done, from + done, kLine * sizeof(float));
  }
  for (; done < count; ++done) {
    to[done] = from[done];
  }
}

}  // namespace freshet
