#pragma once
#include <functional>
#include <memory>
#include <string>

#include "common/status.h"

namespace freshet::http {

struct Request {
  std::string method;  // GET, POST, ...; HEAD arrives as GET, and its answer goes out without body
  std::string path;    // without the query
  std::string query;   // what follows '?', not decoded
  std::string body;
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body = {};
  std::string allow = {};  // with 405: the methods that the path has, as "GET, POST"
};

// {"error": "..."} with the status code that fits the Status: 400 for InvalidArgument, 404 for
// NotFound, 409 for FailedPrecondition, AlreadyExists and Aborted, 429 for ResourceExhausted, 503
// for Unavailable and Cancelled, 504 for DeadlineExceeded, otherwise 500. Always valid UTF-8.
Response ErrorResponse(const Status& status);
Response ErrorResponse(int status, const std::string& message);

// Called on one of the server's threads; may compute, must not wait for long. What it throws is
// logged and answered with 500.
using Handler = std::function<Response(const Request&)>;

struct ServerOptions {
  std::string listen = "127.0.0.1:0";  // a name, an IPv4 address or [an IPv6 address], and a port
  int threads = 1;
  size_t max_body_bytes = 8U << 20U;  // a larger one is answered with 413
  // A request must have arrived whole, and an answer must have gone out whole, within this time;
  // a connection without a request is closed after it.
  int idle_timeout_s = 60;
  // One more is closed at once. Each takes a file descriptor and a few KiB.
  int max_connections = 10'000;
};

// HTTP/1.1 with keep-alive, on an event loop: connections cost no thread.
class Server {
 public:
  virtual ~Server() = default;  // waits for running handlers, closes all connections

  virtual std::string address() const = 0;  // host:port really taken
};

// Serves at once; `handler` gets every request that parses.
// Errors: InvalidArgument for an address that is none, Unavailable if it cannot be listened on.
StatusOr<std::unique_ptr<Server>> Serve(const ServerOptions& options, Handler handler);

}  // namespace freshet::http
