#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <cstdint>
#include <string>
#include <thread>

#include "common/check.h"
#include "common/http/http_client.h"
#include "common/http/http_server.h"

// An input is what an HTTP server answers to a hook (common/http/http_client.h), which then closes
// the connection.
namespace freshet::http {
namespace {

namespace net = boost::asio;

class AnyServer {
 public:
  AnyServer() : acceptor_(loop_, {net::ip::address_v4::loopback(), 0}) {}

  std::string address() const {
    return "127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port());
  }

  // To the connections that come next.
  void Answer(int connections, const std::string& bytes) {
    for (int i = 0; i < connections; ++i) {
      net::ip::tcp::socket socket(loop_);
      boost::system::error_code ignored;
      acceptor_.accept(socket, ignored);
      char request[4096];
      socket.read_some(net::buffer(request), ignored);
      net::write(socket, net::buffer(bytes), ignored);
      socket.shutdown(net::ip::tcp::socket::shutdown_send, ignored);
      while (!ignored) {
        socket.read_some(net::buffer(request), ignored);
      }
    }
  }

 private:
  net::io_context loop_;
  net::ip::tcp::acceptor acceptor_;
};

void Run(const std::string& answer) {
  static AnyServer server;
  std::thread answering([&answer] { server.Answer(1, answer); });
  {
    Client client(server.address());
    const auto response = client.Post("/hook", "{}");
    FRESHET_CHECK(response.ok() ? response->body.size() <= answer.size()
                                : !response.status().message().empty());
  }
  answering.join();
}

}  // namespace
}  // namespace freshet::http

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  freshet::http::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
