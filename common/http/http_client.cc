#include "common/http/http_client.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <exception>
#include <optional>
#include <utility>

#include "common/http/address.h"

namespace freshet::http {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
using tcp = net::ip::tcp;
using ErrorCode = beast::error_code;
using Message = bhttp::request<bhttp::string_body>;

struct Client::Impl {
  Impl(std::string to, std::chrono::milliseconds limit) : address(std::move(to)), timeout(limit) {}

  StatusOr<Response> Send(Message request);
  Status Connect();
  ErrorCode Exchange(const Message& request);
  // Runs the loop until the one operation under way has ended.
  void Wait();
  Status StatusOf(ErrorCode error, const char* what) const;

  const std::string address;
  const std::chrono::milliseconds timeout;
  net::io_context loop;
  std::optional<beast::tcp_stream> stream;
  beast::flat_buffer buffer;
  bhttp::response<bhttp::string_body> answer;
};

void Client::Impl::Wait() {
  loop.restart();
  loop.run();
}

Status Client::Impl::StatusOf(ErrorCode error, const char* what) const {
  if (error == beast::error::timeout) {
    return DeadlineExceeded("{} {}: no answer in {} ms", what, address, timeout.count());
  }
  return Unavailable("{} {}: {}", what, address, error.message());
}

Status Client::Impl::Connect() {
  FRESHET_ASSIGN_OR_RETURN(const HostAndPort to, SplitAddress(address));
  ErrorCode error;
  tcp::resolver resolver(loop);
  const auto found = resolver.resolve(to.host, to.port, error);
  if (error) {
    return StatusOf(error, "cannot find");
  }
  buffer.clear();
  stream.emplace(loop);
  stream->expires_after(timeout);
  stream->async_connect(found,
                        [&error](ErrorCode result, const tcp::endpoint&) { error = result; });
  Wait();
  if (error) {
    stream.reset();
    return StatusOf(error, "cannot connect to");
  }
  stream->socket().set_option(tcp::no_delay(true), error);
  return absl::OkStatus();
}

ErrorCode Client::Impl::Exchange(const Message& request) {
  ErrorCode error;
  stream->expires_after(timeout);
  bhttp::async_write(*stream, request, [&error](ErrorCode result, size_t) { error = result; });
  Wait();
  if (error) {
    return error;
  }
  bhttp::response_parser<bhttp::string_body> parser;
  parser.body_limit(kMaxAnswerBytes);
  const auto done = [&error](ErrorCode result, size_t) { error = result; };
  // The head by itself: read in one go with the body, Beast forgets that it is over the limit.
  bhttp::async_read_header(*stream, buffer, parser, done);
  Wait();
  if (!error) {
    bhttp::async_read(*stream, buffer, parser, done);
    Wait();
  }
  answer = parser.release();
  return error;
}

StatusOr<Response> Client::Impl::Send(Message request) {
  request.version(11);
  request.set(bhttp::field::host, address);
  request.prepare_payload();
  const bool kept = stream.has_value();
  if (!kept) {
    FRESHET_RETURN_IF_ERROR(Connect());
  }
  ErrorCode error = Exchange(request);
  if (error && kept && error != beast::error::timeout) {
    // The server may have closed the connection while it lay idle.
    FRESHET_RETURN_IF_ERROR(Connect());
    error = Exchange(request);
  }
  if (error) {
    stream.reset();
    return StatusOf(error, "cannot talk to");
  }
  Response response;
  response.status = static_cast<int>(answer.result_int());
  response.content_type = std::string(answer[bhttp::field::content_type]);
  response.allow = std::string(answer[bhttp::field::allow]);
  response.body = std::move(answer.body());
  if (!answer.keep_alive()) {
    stream.reset();
  }
  return response;
}

Client::Client(std::string address, std::chrono::milliseconds timeout)
    : impl_(std::make_unique<Impl>(std::move(address), timeout)) {}

Client::~Client() = default;

StatusOr<Response> Client::Get(const std::string& target) {
  try {
    return impl_->Send(Message(bhttp::verb::get, target, 11));
  } catch (const std::exception& error) {
    return Unavailable("GET {}: {}", target, error.what());
  }
}

StatusOr<Response> Client::Post(const std::string& target,
                                std::string body,
                                const std::string& content_type) {
  try {
    Message request(bhttp::verb::post, target, 11, std::move(body));
    request.set(bhttp::field::content_type, content_type);
    return impl_->Send(std::move(request));
  } catch (const std::exception& error) {
    return Unavailable("POST {}: {}", target, error.what());
  }
}

}  // namespace freshet::http
