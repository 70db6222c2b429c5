#pragma once
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "common/check.h"
#include "common/rpc/rpc.h"

// An input of the fuzzers of requests: which method (one byte), the length of the head (two bytes,
// little-endian), the head, and behind it the body.
namespace freshet::fuzz {

struct RequestInput {
  rpc::Method method{};
  rpc::Message message;
};

inline rpc::Message MessageOf(std::span<const uint8_t> input) {
  rpc::Message message;
  if (input.size() < 2) {
    return message;
  }
  const size_t wanted = static_cast<size_t>(input[0]) | static_cast<size_t>(input[1]) << 8U;
  const std::span<const uint8_t> rest = input.subspan(2);
  const size_t head = std::min(wanted, rest.size());
  message.head.assign(reinterpret_cast<const char*>(rest.data()), head);
  message.body = Buffer::CopyOf(std::as_bytes(rest.subspan(head)));
  return message;
}

// `methods`: those of the server, chosen by the first byte.
inline RequestInput RequestOf(std::span<const uint8_t> input,
                              std::span<const rpc::Method> methods) {
  RequestInput request;
  request.method = methods[input.empty() ? 0 : input[0] % methods.size()];
  request.message = MessageOf(input.subspan(std::min<size_t>(input.size(), 1)));
  return request;
}

// Whatever the request is, there is an answer, and an error that it is blamed with says something.
inline Status Ask(rpc::Channel& channel, RequestInput request) {
  // A pause waits for the training that it is to stop.
  if (request.method == rpc::Method::kPause) {
    return channel
        .CallAndWait(request.method, std::move(request.message), std::chrono::milliseconds(5))
        .status();
  }
  const auto answer =
      channel.CallAndWait(request.method, std::move(request.message), std::chrono::seconds(20));
  FRESHET_CHECK(!absl::IsDeadlineExceeded(answer.status()));
  FRESHET_CHECK(answer.ok() || !answer.status().message().empty());
  return answer.status();
}

}  // namespace freshet::fuzz
