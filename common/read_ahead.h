#pragma once
#include <cstddef>
#include <functional>
#include <future>
#include <utility>

#include "common/status.h"

namespace freshet {

// Calls use(i, read(i)) for i from 0 to `count` - 1, and reads the next one on another thread while
// `use` is at work: no two calls of `read` at a time. Stops at the first error of either.
template <typename T>
Status ReadAhead(size_t count,
                 const std::function<StatusOr<T>(size_t)>& read,
                 const std::function<Status(size_t, T)>& use) {
  std::future<StatusOr<T>> next;
  for (size_t i = 0; i < count; ++i) {
    StatusOr<T> element = i == 0 ? read(0) : next.get();
    FRESHET_RETURN_IF_ERROR(element.status());
    if (i + 1 < count) {
      next = std::async(std::launch::async, read, i + 1);
    }
    FRESHET_RETURN_IF_ERROR(use(i, *std::move(element)));
  }
  return absl::OkStatus();
}

}  // namespace freshet
