#pragma once
#include <optional>
#include <utility>

#include "common/check.h"
#include "common/rpc/rpc.h"

namespace freshet::rpc {

// Hands one answer to `sink`, called as sink(StatusOr<Message>): that which it is called with, or
// Internal if it is destroyed before.
template <typename Sink>
class OnceResponder {
 public:
  OnceResponder(Method method, Sink sink) : method_(method), sink_(std::move(sink)) {}

  OnceResponder(OnceResponder&& other) noexcept
      : method_(other.method_), sink_(std::exchange(other.sink_, std::nullopt)) {}

  OnceResponder& operator=(OnceResponder&&) = delete;

  ~OnceResponder() {
    if (sink_) {
      (*sink_)(Internal("the handler of method {} gave no answer", static_cast<int>(method_)));
    }
  }

  void operator()(StatusOr<Message> answer) {
    FRESHET_CHECK(sink_.has_value());
    (*std::exchange(sink_, std::nullopt))(std::move(answer));
  }

 private:
  Method method_;
  std::optional<Sink> sink_;
};

}  // namespace freshet::rpc
