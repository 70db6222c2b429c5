#pragma once
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "common/check.h"
#include "common/rpc/rpc.h"

// An input of the fuzzers of requests: which method (one byte), the length of the head (two bytes,
// little-endian), the head, and behind it the body.
//
// The first byte, divided by the number of methods, is the state that the server is in. With its
// highest bit set, the body is preceded by its length (two bytes, too), and another request
// follows.
namespace freshet::fuzz {

inline constexpr size_t kMaxRequests = 8;

struct RequestInput {
  rpc::Method method{};
  rpc::Message message;
};

struct Script {
  unsigned state = 0;
  std::vector<RequestInput> requests;
};

// Takes the first `bytes` of `input`, or all if it has fewer.
inline std::span<const uint8_t> Take(std::span<const uint8_t>& input, size_t bytes) {
  const std::span<const uint8_t> taken = input.first(std::min(bytes, input.size()));
  input = input.subspan(taken.size());
  return taken;
}

// As `Take`, with the number of bytes in front.
inline std::span<const uint8_t> TakeCounted(std::span<const uint8_t>& input) {
  if (input.size() < 2) {
    return Take(input, input.size()).first(0);
  }
  const size_t bytes = static_cast<size_t>(input[0]) | static_cast<size_t>(input[1]) << 8U;
  input = input.subspan(2);
  return Take(input, bytes);
}

inline rpc::Message MessageOf(std::span<const uint8_t>& input, bool more) {
  rpc::Message message;
  const std::span<const uint8_t> head = TakeCounted(input);
  message.head.assign(reinterpret_cast<const char*>(head.data()), head.size());
  const std::span<const uint8_t> body = more ? TakeCounted(input) : Take(input, input.size());
  message.body = Buffer::CopyOf(std::as_bytes(body));
  return message;
}

// `methods`: those of the server, fewer than 128.
inline Script ScriptOf(std::span<const uint8_t> input, std::span<const rpc::Method> methods) {
  Script script;
  bool more = true;
  while (more && script.requests.size() < kMaxRequests) {
    const uint8_t byte = input.empty() ? 0 : input[0];
    const unsigned choice = byte & 0x7fU;
    more = byte != choice && input.size() > 1;
    if (script.requests.empty()) {
      script.state = choice / static_cast<unsigned>(methods.size());
    }
    input = input.subspan(std::min<size_t>(input.size(), 1));
    RequestInput& request = script.requests.emplace_back();
    request.method = methods[choice % methods.size()];
    request.message = MessageOf(input, more);
  }
  return script;
}

// A call that may be answered late. Whatever the request is, there is an answer, and an error that
// it is blamed with says something.
class Call {
 public:
  static constexpr std::chrono::seconds kPatience{20};

  Call(rpc::Channel& channel, RequestInput request) {
    channel.Call(request.method,
                 std::move(request.message),
                 kPatience * 2,
                 [state = state_](StatusOr<rpc::Message> answer) {
                   const std::lock_guard lock(state->mutex);
                   FRESHET_CHECK(!state->status);
                   state->status = answer.status();
                   state->changed.notify_all();
                 });
  }

  // Nothing if there is no answer until then.
  std::optional<Status> Await(std::chrono::microseconds patience) {
    std::unique_lock lock(state_->mutex);
    state_->changed.wait_for(lock, patience, [this] { return state_->status.has_value(); });
    if (state_->status) {
      FRESHET_CHECK(state_->status->ok() || !state_->status->message().empty());
    }
    return state_->status;
  }

  Status Await() {
    const std::optional<Status> status = Await(kPatience);
    FRESHET_CHECK(status.has_value());
    return *status;
  }

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<Status> status;
  };

  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace freshet::fuzz
