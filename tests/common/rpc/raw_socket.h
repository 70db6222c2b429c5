#pragma once
#include <sys/socket.h>

#include <asio/buffer.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/write.hpp>
#include <catch2/catch.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "common/rpc/address.h"

namespace freshet::rpc {

// A peer that says what it likes. Blocks.
class RawSocket {
 public:
  RawSocket(RawSocket&&) = default;

  // The old socket goes before the context that it belongs to.
  RawSocket& operator=(RawSocket&& other) noexcept {
    socket_ = std::move(other.socket_);
    context_ = std::move(other.context_);
    return *this;
  }

  static RawSocket ConnectTo(const std::string& address) {
    const HostPort host_port = ParseHostPort(address).value();
    RawSocket raw;
    raw.socket_.connect({asio::ip::make_address(host_port.host), host_port.port});
    return raw;
  }

  // False if the other side has closed.
  bool Write(const std::string& bytes) {
    asio::error_code error;
    asio::write(socket_, asio::buffer(bytes), error);
    return !error;
  }

  // Writes what the other side, and the kernel between, take at once; returns how many bytes.
  size_t Offer(std::string_view bytes) {
    const ssize_t sent =
        ::send(socket_.native_handle(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 ? 0 : static_cast<size_t>(sent);
  }

  void EndWriting() {
    asio::error_code ignored;
    socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  }

  // Less if the other side closes before.
  std::string Read(size_t bytes) {
    std::string read(bytes, '\0');
    asio::error_code error;
    read.resize(asio::read(socket_, asio::buffer(read), error));
    return read;
  }

  // Waits until the other side closes.
  void AwaitClosed() {
    while (!Read(4096).empty()) {
    }
  }

 private:
  friend class RawListener;

  RawSocket() : context_(std::make_unique<asio::io_context>()), socket_(*context_) {}

  std::unique_ptr<asio::io_context> context_;
  asio::ip::tcp::socket socket_;
};

class RawListener {
 public:
  RawListener() : acceptor_(context_, {asio::ip::address_v4::loopback(), 0}) {}

  std::string address() {
    return ToString({.host = "127.0.0.1", .port = acceptor_.local_endpoint().port()});
  }

  RawSocket Accept() {
    RawSocket raw;
    acceptor_.accept(raw.socket_);
    return raw;
  }

 private:
  asio::io_context context_;
  asio::ip::tcp::acceptor acceptor_;
};

}  // namespace freshet::rpc
