#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "common/http/http_server.h"
#include "common/status.h"

namespace freshet::http {

// A longer body is no answer: whoever answers must not take the memory of who asks.
inline constexpr uint64_t kMaxAnswerBytes = 64U << 20U;

// Talks to one server, over one connection that is kept open between requests. Each call waits for
// its answer. When a kept connection breaks, its request is sent once more on a new one, so it
// should be one that may be carried out twice. Thread-safety: one thread.
class Client {
 public:
  // `address`: "host:port". `timeout`: of each request, connecting included.
  explicit Client(std::string address, std::chrono::milliseconds timeout = std::chrono::seconds(5));
  ~Client();

  // `target`: the path, and what follows '?' if anything. An answer of any status is a Response.
  // Errors: Unavailable if there is no connection or no HTTP answer, or it is too long,
  // DeadlineExceeded.
  StatusOr<Response> Get(const std::string& target);
  StatusOr<Response> Post(const std::string& target,
                          std::string body,
                          const std::string& content_type = "application/json");

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace freshet::http
