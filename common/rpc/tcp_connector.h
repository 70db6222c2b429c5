#pragma once
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "common/rpc/address.h"
#include "common/rpc/loop.h"

namespace freshet::rpc {

// One attempt to connect: looks the host up and tries its addresses, within a time.
// Thread-safety: the loop's thread only.
class TcpConnector : public std::enable_shared_from_this<TcpConnector> {
 public:
  using Done = absl::AnyInvocable<void(StatusOr<asio::ip::tcp::socket>)>;

  explicit TcpConnector(Loop& loop);

  // `done` is called once, never inside Start, or not at all after Cancel.
  void Start(const HostPort& address, std::chrono::milliseconds timeout, Done done);
  void Cancel();

 private:
  void Connect(const asio::ip::tcp::resolver::results_type& endpoints);
  void End(const asio::error_code& error);

  asio::ip::tcp::resolver resolver_;
  asio::ip::tcp::socket socket_;
  asio::steady_timer timer_;
  // nullptr when ended.
  Done done_;
};

}  // namespace freshet::rpc
