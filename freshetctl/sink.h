#pragma once
#include <fmt/format.h>

#include <functional>
#include <iterator>
#include <string>
#include <utility>

#include "common/status.h"

namespace freshet::freshetctl {

// What a command writes, handed on in pieces of some size.
class Sink {
 public:
  static constexpr size_t kPiece = 1U << 20U;

  explicit Sink(std::function<Status(const std::string&)> write) : write_(std::move(write)) {}

  // To add to.
  std::string& text() { return text_; }

  template <typename... Args>
  void Print(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
  }

  // Between lines; `at_least` bytes must have come together.
  Status Flush(size_t at_least = kPiece) {
    if (text_.size() < at_least) {
      return absl::OkStatus();
    }
    Status status = write_(text_);
    text_.clear();
    return status;
  }

 private:
  const std::function<Status(const std::string&)> write_;
  std::string text_;
};

}  // namespace freshet::freshetctl
