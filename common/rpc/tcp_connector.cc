#include "common/rpc/tcp_connector.h"

#include <asio/connect.hpp>
#include <utility>

namespace freshet::rpc {

using asio::ip::tcp;

namespace {

// The kernel may take the very port as ours to which we connect, if nobody listens there.
bool IsConnectedToItself(const tcp::socket& socket) {
  asio::error_code error;
  const tcp::endpoint local = socket.local_endpoint(error);
  return !error && local == socket.remote_endpoint(error);
}

}  // namespace

TcpConnector::TcpConnector(Loop& loop)
    : resolver_(loop.context()), socket_(loop.context()), timer_(loop.context()) {}

void TcpConnector::Start(const HostPort& address, std::chrono::milliseconds timeout, Done done) {
  done_ = std::move(done);
  timer_.expires_after(timeout);
  timer_.async_wait([self = shared_from_this()](const asio::error_code& error) {
    if (!error) {
      self->End(asio::error::timed_out);
    }
  });
  asio::error_code not_literal;
  const asio::ip::address literal = asio::ip::make_address(address.host, not_literal);
  if (!not_literal) {
    Connect(tcp::resolver::results_type::create(
        tcp::endpoint(literal, address.port), address.host, std::to_string(address.port)));
    return;
  }
  resolver_.async_resolve(
      address.host,
      std::to_string(address.port),
      [self = shared_from_this()](const asio::error_code& error,
                                  const tcp::resolver::results_type& endpoints) {
        if (error) {
          self->End(error);
        } else {
          self->Connect(endpoints);
        }
      });
}

void TcpConnector::Connect(const tcp::resolver::results_type& endpoints) {
  if (done_ == nullptr) {
    return;
  }
  asio::async_connect(socket_,
                      endpoints,
                      [self = shared_from_this()](const asio::error_code& error,
                                                  const tcp::endpoint&) { self->End(error); });
}

void TcpConnector::End(const asio::error_code& error) {
  if (done_ == nullptr) {
    return;
  }
  Done done = std::exchange(done_, nullptr);
  tcp::socket socket = std::move(socket_);
  Cancel();
  if (error) {
    done(Unavailable("{}", error.message()));
  } else if (IsConnectedToItself(socket)) {
    done(Unavailable("nobody listens"));
  } else {
    done(std::move(socket));
  }
}

void TcpConnector::Cancel() {
  done_ = nullptr;
  asio::error_code ignored;
  socket_.close(ignored);
  timer_.cancel();
  resolver_.cancel();
}

}  // namespace freshet::rpc
