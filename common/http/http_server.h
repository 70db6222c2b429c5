#pragma once
#include <functional>
#include <memory>
#include <string>

#include "common/status.h"

namespace freshet::http {

struct Request {
  std::string method;  // GET, POST
  std::string path;    // without the query
  std::string query;   // what follows '?', not decoded
  std::string body;
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
};

// {"error": "..."} with the status code that fits the Status.
Response ErrorResponse(const Status& status);

// Called on one of the server's threads; may compute, must not wait for long.
using Handler = std::function<Response(const Request&)>;

struct ServerOptions {
  std::string listen = "127.0.0.1:0";
  int threads = 1;
  size_t max_body_bytes = 8U << 20U;
  int idle_timeout_s = 60;
};

// HTTP/1.1 with keep-alive, on an event loop: connections cost no thread.
class Server {
 public:
  virtual ~Server() = default;  // closes all connections

  virtual std::string address() const = 0;  // host:port really taken
};

// Serves at once; `handler` gets every request that parses.
StatusOr<std::unique_ptr<Server>> Serve(const ServerOptions& options, Handler handler);

}  // namespace freshet::http
