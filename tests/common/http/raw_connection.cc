#include "tests/common/http/raw_connection.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

#include "common/http/address.h"

namespace freshet::http {
namespace net = boost::asio;

struct RawConnection::Impl {
  net::io_context loop;
  net::ip::tcp::socket socket{loop};
  std::string received;

  bool ReadSome() {
    char bytes[4096];
    boost::system::error_code error;
    const size_t n = socket.read_some(net::buffer(bytes), error);
    received.append(bytes, n);
    return !error;
  }
};

RawConnection::RawConnection(const std::string& address) : impl_(std::make_unique<Impl>()) {
  const HostAndPort to = *SplitAddress(address);
  impl_->socket.connect(net::ip::tcp::endpoint(net::ip::make_address(to.host),
                                               static_cast<uint16_t>(std::stoi(to.port))));
  impl_->socket.set_option(net::ip::tcp::no_delay(true));
}

RawConnection::~RawConnection() = default;

void RawConnection::Send(const std::string& bytes) {
  boost::system::error_code ignored;
  net::write(impl_->socket, net::buffer(bytes), ignored);
}

void RawConnection::EndSending() {
  boost::system::error_code ignored;
  impl_->socket.shutdown(net::ip::tcp::socket::shutdown_send, ignored);
}

std::string RawConnection::ReadUntil(const std::string& text, int times) {
  const auto count = [&] {
    int n = 0;
    for (size_t at = impl_->received.find(text); at != std::string::npos;
         at = impl_->received.find(text, at + text.size())) {
      ++n;
    }
    return n;
  };
  while (count() < times && impl_->ReadSome()) {
  }
  return impl_->received;
}

std::string RawConnection::ReadAll() {
  while (impl_->ReadSome()) {
  }
  return impl_->received;
}

}  // namespace freshet::http
