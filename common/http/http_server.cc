#include "common/http/http_server.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <exception>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "common/http/address.h"

// Each connection is a Session, a chain of asynchronous steps on a strand of its own:
//
//   header -> (100 Continue) -> body -> handler -> answer -> header ...
//
// A session lives as long as one of its steps is pending. Requests that a client sends without
// waiting for answers stay in the session's buffer, or in the kernel's, until their turn.
namespace freshet::http {
namespace {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
using tcp = net::ip::tcp;
using Strand = net::strand<net::io_context::executor_type>;
using Stream = beast::basic_stream<tcp, Strand>;
using Socket = net::basic_stream_socket<tcp, Strand>;
using ErrorCode = beast::error_code;

constexpr uint32_t kMaxHeaderBytes = 16U << 10U;
// After an error the answer must reach a client that is still sending: what it sends is read and
// dropped for this long before the connection is closed.
constexpr std::chrono::seconds kLinger(2);
// Out of file descriptors: time for others to close theirs.
constexpr std::chrono::milliseconds kAcceptRetry(50);

struct Shared {
  const ServerOptions options;
  const Handler handler;
  std::atomic<int> connections = 0;
};

Response CallHandler(const Handler& handler, const Request& request) {
  try {
    return handler(request);
  } catch (const std::exception& error) {
    spdlog::error("http: handler threw path={} error={}", request.path, error.what());
  } catch (...) {
    spdlog::error("http: handler threw path={}", request.path);
  }
  return ErrorResponse(500, "internal error; the server's log has the details");
}

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(Shared& shared, Socket socket) : shared_(shared), stream_(std::move(socket)) {
    shared_.connections.fetch_add(1, std::memory_order_relaxed);
  }

  ~Session() { shared_.connections.fetch_sub(1, std::memory_order_relaxed); }

  void Start() {
    net::dispatch(stream_.get_executor(), [self = shared_from_this()] { self->ReadHeader(); });
  }

 private:
  void ReadHeader() {
    parser_.emplace();
    parser_->header_limit(kMaxHeaderBytes);
    parser_->body_limit(shared_.options.max_body_bytes);
    stream_.expires_after(std::chrono::seconds(shared_.options.idle_timeout_s));
    bhttp::async_read_header(
        stream_, buffer_, *parser_, [self = shared_from_this()](ErrorCode error, size_t) {
          if (error) {
            self->Refuse(error);
          } else if (beast::iequals(self->parser_->get()[bhttp::field::expect], "100-continue")) {
            self->WriteContinue();
          } else {
            self->ReadBody();
          }
        });
  }

  void WriteContinue() {
    continue_.result(bhttp::status::continue_);
    bhttp::async_write(stream_, continue_, [self = shared_from_this()](ErrorCode error, size_t) {
      if (!error) {
        self->ReadBody();
      }
    });
  }

  void ReadBody() {
    bhttp::async_read(
        stream_, buffer_, *parser_, [self = shared_from_this()](ErrorCode error, size_t) {
          if (error) {
            self->Refuse(error);
          } else {
            self->Answer();
          }
        });
  }

  void Answer() {
    auto message = parser_->release();
    const auto target = message.target();
    const size_t mark = std::min(target.find('?'), target.size());
    const bool head = message.method() == bhttp::verb::head;
    Request request;
    request.method = head ? "GET" : std::string(message.method_string());
    request.path.assign(target.data(), mark);
    if (mark < target.size()) {
      request.query.assign(target.data() + mark + 1, target.size() - mark - 1);
    }
    const bool keep_alive = message.keep_alive();
    const unsigned version = message.version();
    request.body = std::move(message.body());
    Write(CallHandler(shared_.handler, request), version, keep_alive, head);
  }

  void Write(Response response, unsigned version, bool keep_alive, bool head) {
    response_ = {};
    response_.version(version);
    response_.result(static_cast<unsigned>(response.status));
    response_.set(bhttp::field::content_type, response.content_type);
    if (!response.allow.empty()) {
      response_.set(bhttp::field::allow, response.allow);
    }
    response_.keep_alive(keep_alive);
    response_.content_length(response.body.size());
    if (!head) {
      response_.body() = std::move(response.body);
    }
    stream_.expires_after(std::chrono::seconds(shared_.options.idle_timeout_s));
    bhttp::async_write(
        stream_, response_, [self = shared_from_this(), keep_alive](ErrorCode error, size_t) {
          if (error) {
            return;
          }
          if (keep_alive) {
            self->ReadHeader();
          } else {
            self->Close();
          }
        });
  }

  // What cannot be read as a request. A client that is gone or silent gets no answer.
  void Refuse(ErrorCode error) {
    if (error == bhttp::error::end_of_stream || error == beast::error::timeout ||
        error.category() != bhttp::make_error_code(bhttp::error::bad_method).category()) {
      return;
    }
    Response response;
    if (error == bhttp::error::body_limit) {
      response = ErrorResponse(
          413, fmt::format("the body is larger than {} bytes", shared_.options.max_body_bytes));
    } else if (error == bhttp::error::header_limit || error == bhttp::error::buffer_overflow) {
      response =
          ErrorResponse(431, fmt::format("the header is larger than {} bytes", kMaxHeaderBytes));
    } else {
      response = ErrorResponse(400, fmt::format("not an HTTP/1.1 request: {}", error.message()));
    }
    Write(std::move(response), 11, /*keep_alive=*/false, /*head=*/false);
  }

  void Close() {
    ErrorCode ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    stream_.expires_after(kLinger);
    buffer_.clear();
    Drain();
  }

  void Drain() {
    stream_.async_read_some(net::buffer(drained_),
                            [self = shared_from_this()](ErrorCode error, size_t) {
                              if (!error) {
                                self->Drain();
                              }
                            });
  }

  Shared& shared_;
  Stream stream_;
  beast::flat_buffer buffer_;
  std::optional<bhttp::request_parser<bhttp::string_body>> parser_;
  bhttp::response<bhttp::empty_body> continue_;
  bhttp::response<bhttp::string_body> response_;
  std::array<char, 4096> drained_{};
};

class BeastServer : public Server {
 public:
  BeastServer(const ServerOptions& options, Handler handler)
      : shared_{.options = options, .handler = std::move(handler)},
        loop_(options.threads),
        acceptor_(net::make_strand(loop_)),
        accept_retry_(acceptor_.get_executor()) {}

  ~BeastServer() override {
    loop_.stop();
    for (std::thread& thread : threads_) {
      thread.join();
    }
  }

  Status Start() {
    FRESHET_ASSIGN_OR_RETURN(const HostAndPort address, SplitAddress(shared_.options.listen));
    ErrorCode error;
    tcp::resolver resolver(loop_);
    const auto found = resolver.resolve(address.host, address.port, tcp::resolver::passive, error);
    if (error || found.empty()) {
      return InvalidArgument("address '{}': {}", shared_.options.listen, error.message());
    }
    FRESHET_RETURN_IF_ERROR(Listen(found.begin()->endpoint()));
    Accept();
    for (int i = 0; i < shared_.options.threads; ++i) {
      threads_.emplace_back([this] { Run(); });
    }
    return absl::OkStatus();
  }

  std::string address() const override { return address_; }

 private:
  Status Listen(const tcp::endpoint& endpoint) {
    ErrorCode error;
    acceptor_.open(endpoint.protocol(), error);
    if (!error) {
      acceptor_.set_option(net::socket_base::reuse_address(true), error);
    }
    if (!error) {
      acceptor_.bind(endpoint, error);
    }
    if (!error) {
      acceptor_.listen(net::socket_base::max_listen_connections, error);
    }
    if (error) {
      return Unavailable("cannot serve HTTP on '{}': {}", shared_.options.listen, error.message());
    }
    const tcp::endpoint taken = acceptor_.local_endpoint(error);
    const std::string host = taken.address().to_string();
    address_ =
        fmt::format("{}:{}", taken.address().is_v6() ? "[" + host + "]" : host, taken.port());
    return absl::OkStatus();
  }

  void Accept() {
    acceptor_.async_accept(net::make_strand(loop_), [this](ErrorCode error, Socket socket) {
      if (error) {
        spdlog::warn("http: cannot accept a connection error={}", error.message());
        accept_retry_.expires_after(kAcceptRetry);
        accept_retry_.async_wait([this](ErrorCode) { Accept(); });
        return;
      }
      if (shared_.connections.load(std::memory_order_relaxed) < shared_.options.max_connections) {
        ErrorCode ignored;
        socket.set_option(tcp::no_delay(true), ignored);
        std::make_shared<Session>(shared_, std::move(socket))->Start();
      }
      Accept();
    });
  }

  // Beast and Asio report errors by code; what they may still throw (no memory) ends the session
  // it happened in, not the server.
  void Run() {
    while (!loop_.stopped()) {
      try {
        loop_.run();
      } catch (const std::exception& error) {
        spdlog::error("http: connection dropped error={}", error.what());
      }
    }
  }

  Shared shared_;  // outlives the sessions, which the loop owns
  net::io_context loop_;
  net::basic_socket_acceptor<tcp, Strand> acceptor_;
  net::basic_waitable_timer<std::chrono::steady_clock,
                            net::wait_traits<std::chrono::steady_clock>,
                            Strand>
      accept_retry_;
  std::string address_;
  std::vector<std::thread> threads_;
};

}  // namespace

StatusOr<std::unique_ptr<Server>> Serve(const ServerOptions& options, Handler handler) {
  if (options.threads < 1) {
    return InvalidArgument("an HTTP server needs a thread, not {}", options.threads);
  }
  try {
    auto server = std::make_unique<BeastServer>(options, std::move(handler));
    FRESHET_RETURN_IF_ERROR(server->Start());
    return server;
  } catch (const std::exception& error) {
    return Unavailable("cannot serve HTTP on '{}': {}", options.listen, error.what());
  }
}

}  // namespace freshet::http
