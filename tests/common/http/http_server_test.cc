#include "common/http/http_server.h"

#include <catch2/catch.hpp>
#include <future>
#include <stdexcept>
#include <thread>

#include "common/http/http_client.h"
#include "tests/common/http/raw_connection.h"

namespace freshet::http {
namespace {

// Says what it was asked.
Response Echo(const Request& request) {
  if (request.path == "/throw") {
    throw std::runtime_error("a handler went wrong");
  }
  if (request.path == "/refuse") {
    Response response = ErrorResponse(405, "no");
    response.allow = "GET";
    return response;
  }
  return Response{
      .content_type = "text/plain",
      .body = request.method + " " + request.path + " [" + request.query + "] " + request.body};
}

std::unique_ptr<Server> StartEcho(ServerOptions options = {}) {
  auto server = Serve(options, Echo);
  REQUIRE(server.ok());
  return *std::move(server);
}

constexpr char kGet[] = "GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n";
constexpr char kGetAnswer[] = "GET /a [b=c] ";

}  // namespace

TEST_CASE("a request and its answer go over a connection that stays open", "[http]") {
  const auto server = StartEcho();
  Client client(server->address());
  for (int i = 0; i < 50; ++i) {
    const auto answer = client.Get("/a?b=c");
    REQUIRE(answer.ok());
    CHECK(answer->status == 200);
    CHECK(answer->content_type == "text/plain");
    CHECK(answer->body == kGetAnswer);
    CHECK(client.Post("/p", "body")->body == "POST /p [] body");
  }
}

TEST_CASE("a client makes a new connection when the server has been started again", "[http]") {
  auto server = StartEcho();
  Client client(server->address());
  REQUIRE(client.Get("/a").ok());
  ServerOptions same;
  same.listen = server->address();
  server.reset();
  CHECK(client.Get("/a").status().code() == absl::StatusCode::kUnavailable);
  server = StartEcho(same);
  CHECK(client.Get("/a").ok());
}

TEST_CASE("a client does not wait longer than its timeout", "[http]") {
  std::promise<void> release;
  auto server = Serve({}, [&](const Request&) {
    release.get_future().wait();
    return Response{};
  });
  REQUIRE(server.ok());
  Client client((*server)->address(), std::chrono::milliseconds(20));
  CHECK(client.Get("/").status().code() == absl::StatusCode::kDeadlineExceeded);
  release.set_value();
}

TEST_CASE("pipelined requests are answered in order", "[http]") {
  const auto server = StartEcho();
  RawConnection connection(server->address());
  std::string all;
  for (int i = 0; i < 100; ++i) {
    all += "POST /" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n<" +
           std::to_string(i % 10) + ">";
  }
  connection.Send(all);
  const std::string answers = connection.ReadUntil(">", 100);
  size_t at = 0;
  for (int i = 0; i < 100; ++i) {
    at = answers.find("POST /" + std::to_string(i) + " [] <" + std::to_string(i % 10) + ">", at);
    REQUIRE(at != std::string::npos);
  }
}

TEST_CASE("a request may arrive byte by byte, and in chunks", "[http]") {
  const auto server = StartEcho();
  RawConnection slow(server->address());
  for (const char byte : std::string(kGet)) {
    slow.Send(std::string(1, byte));
  }
  CHECK(slow.ReadUntil(kGetAnswer).find("200 OK") != std::string::npos);
  RawConnection chunked(server->address());
  chunked.Send("POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  chunked.Send("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  CHECK(chunked.ReadUntil("abcde").find("POST /c [] abcde") != std::string::npos);
}

TEST_CASE("a client that waits for 100 Continue gets it, then the answer", "[http]") {
  const auto server = StartEcho();
  RawConnection connection(server->address());
  connection.Send(
      "POST /e HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  CHECK(connection.ReadUntil("\r\n\r\n").find("HTTP/1.1 100 Continue") == 0);
  connection.Send("hi");
  CHECK(connection.ReadUntil("[] hi").find("POST /e [] hi") != std::string::npos);
}

TEST_CASE("HEAD is answered like GET, without the body", "[http]") {
  const auto server = StartEcho();
  RawConnection connection(server->address());
  connection.Send("HEAD /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string answer = connection.ReadAll();
  CHECK(answer.find("Content-Length: 10\r\n") != std::string::npos);
  CHECK(answer.find("GET /a") == std::string::npos);
}

TEST_CASE("a body over the limit is answered with 413, announced or not", "[http]") {
  ServerOptions options;
  options.max_body_bytes = 10;
  const auto server = StartEcho(options);
  Client client(server->address());
  CHECK(client.Post("/p", "0123456789")->status == 200);
  const auto refused = client.Post("/p", std::string(1'000'000, 'x'));
  REQUIRE(refused.ok());
  CHECK(refused->status == 413);
  CHECK(refused->body == R"({"error":"the body is larger than 10 bytes"})");
  RawConnection chunked(server->address());
  chunked.Send(
      "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n01234567\r\n");
  chunked.Send("8\r\n01234567\r\n");
  CHECK(chunked.ReadUntil("}").find("413") != std::string::npos);
}

TEST_CASE("a header over the limit is answered with 431", "[http]") {
  const auto server = StartEcho();
  RawConnection connection(server->address());
  connection.Send("GET / HTTP/1.1\r\nX: " + std::string(100'000, 'x') + "\r\n\r\n");
  CHECK(connection.ReadUntil("}").find("HTTP/1.1 431") == 0);
}

TEST_CASE("bytes that are no request are answered with 400 and the connection ends", "[http]") {
  const auto server = StartEcho();
  for (const std::string& bytes :
       {std::string("hello\r\n\r\n"),
        std::string(64, '\0'),
        std::string("GET / HTTP/3.7\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n"),
        std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11)}) {
    RawConnection connection(server->address());
    connection.Send(bytes);
    const std::string answer = connection.ReadUntil("}");
    CHECK(answer.find("HTTP/1.1 400") == 0);
    CHECK(answer.find("not an HTTP/1.1 request") != std::string::npos);
  }
  CHECK(Client(server->address()).Get("/").ok());
}

TEST_CASE("a connection that leaves in the middle of a request harms nobody", "[http]") {
  const auto server = StartEcho();
  for (int i = 0; i < 20; ++i) {
    RawConnection(server->address()).Send("POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc");
  }
  CHECK(Client(server->address()).Get("/").ok());
}

TEST_CASE("slow clients cost no thread: others are answered by the only one", "[http]") {
  const auto server = StartEcho();
  std::vector<std::unique_ptr<RawConnection>> slow;
  for (int i = 0; i < 200; ++i) {
    slow.push_back(std::make_unique<RawConnection>(server->address()));
    slow.back()->Send("POST /s HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab");
  }
  CHECK(Client(server->address()).Get("/").ok());
  for (auto& connection : slow) {
    connection->Send("cd");
    CHECK(connection->ReadUntil("abcd").find("200 OK") != std::string::npos);
  }
}

TEST_CASE("a request that does not arrive within the idle timeout is dropped", "[http]") {
  ServerOptions options;
  options.idle_timeout_s = 1;
  const auto server = StartEcho(options);
  RawConnection connection(server->address());
  connection.Send("GET / HTT");
  CHECK(connection.ReadAll().empty());  // returns because the server closed
}

TEST_CASE("one connection more than the limit is closed at once", "[http]") {
  ServerOptions options;
  options.max_connections = 2;
  const auto server = StartEcho(options);
  RawConnection first(server->address());
  RawConnection second(server->address());
  first.Send(kGet);
  second.Send(kGet);
  first.ReadUntil(kGetAnswer);
  second.ReadUntil(kGetAnswer);
  CHECK(RawConnection(server->address()).ReadAll().empty());
}

TEST_CASE("an exception of the handler is answered with 500 and stays inside", "[http]") {
  const auto server = StartEcho();
  Client client(server->address());
  const auto answer = client.Get("/throw");
  REQUIRE(answer.ok());
  CHECK(answer->status == 500);
  CHECK(answer->body.find("went wrong") == std::string::npos);
  CHECK(client.Get("/").ok());
}

TEST_CASE("405 names the methods that are allowed", "[http]") {
  const auto server = StartEcho();
  CHECK(Client(server->address()).Get("/refuse")->allow == "GET");
}

TEST_CASE("many clients on several threads each get their own answers", "[http]") {
  ServerOptions options;
  options.threads = 4;
  const auto server = StartEcho(options);
  std::vector<std::thread> threads;
  std::atomic<int> right = 0;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      Client client(server->address());
      for (int i = 0; i < 50; ++i) {
        const std::string body = std::to_string(t) + "," + std::to_string(i);
        const auto answer = client.Post("/m", body);
        right += answer.ok() && answer->body == "POST /m [] " + body ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(right == 8 * 50);
}

TEST_CASE("an address that is taken, or none, is an error that names it", "[http]") {
  const auto server = StartEcho();
  ServerOptions options;
  options.listen = server->address();
  const auto second = Serve(options, Echo);
  REQUIRE_FALSE(second.ok());
  CHECK(MessageOf(second.status()).find(server->address()) != std::string::npos);
  options.listen = "nowhere";
  CHECK(Serve(options, Echo).status().code() == absl::StatusCode::kInvalidArgument);
}

}  // namespace freshet::http
