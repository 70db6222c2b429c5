#include <atomic>
#include <latch>
#include <numeric>
#include <thread>

#include "common/rpc/typed.h"
#include "proto/ps.pb.h"
#include "tests/common/rpc/fixture.h"

namespace freshet::rpc {
namespace {

TEST_CASE("a request's head and body come back from an echo", "[rpc]") {
  FRESHET_FOR_EACH_TRANSPORT(transport);
  const auto server = StartServer(*transport, "127.0.0.1:0");
  const auto channel = transport->Connect(server->address());

  const auto [head, body] = GENERATE(table<std::string, std::string>({
      {"head", "body"},
      {"", "body alone"},
      {"head alone", ""},
      {"", ""},
      {std::string(100'000, 'h'), std::string(200'000, 'b')},
  }));
  const StatusOr<Message> answer = channel->CallAndWait(kEcho, MakeText(head, body), kLong);
  REQUIRE(answer.ok());
  CHECK(answer->head == head);
  CHECK(TextOf(answer->body) == body);
}

TEST_CASE("a handler's error arrives with its code and message", "[rpc]") {
  FRESHET_FOR_EACH_TRANSPORT(transport);
  const auto server = StartServer(*transport, "127.0.0.1:0");
  const auto channel = transport->Connect(server->address());
  CHECK(channel->CallAndWait(kFail, MakeText("key 7"), kLong).status() ==
        NotFound("no row for key 7"));
}

TEST_CASE("a method without a handler is answered with InvalidArgument", "[rpc]") {
  FRESHET_FOR_EACH_TRANSPORT(transport);
  const auto server = StartServer(*transport, "127.0.0.1:0");
  const auto channel = transport->Connect(server->address());
  CHECK(channel->CallAndWait(kNobody, {}, kLong).status() ==
        InvalidArgument("this server has no method 1004"));
  CHECK(channel->CallAndWait(kEcho, {}, kLong).ok());
}

TEST_CASE("a responder that is dropped unused answers Internal", "[rpc]") {
  FRESHET_FOR_EACH_TRANSPORT(transport);
  const auto server = StartServer(*transport, "127.0.0.1:0");
  const auto channel = transport->Connect(server->address());
  CHECK(channel->CallAndWait(kForget, {}, kLong).status() ==
        Internal("the handler of method 1002 gave no answer"));
}

TEST_CASE("bodies of 32 MiB pass unchanged, several at once", "[rpc]") {
  FRESHET_FOR_EACH_TRANSPORT(transport);
  const auto server = StartServer(*transport, "127.0.0.1:0");
  const auto channel = transport->Connect(server->address());
  constexpr size_t kBytes = size_t{32} << 20U;
  constexpr size_t kCalls = 3;
  std::vector<uint64_t> numbers(kBytes / sizeof(uint64_t) + kCalls);
  std::iota(numbers.begin(), numbers.end(), 0);
  // Each call's body begins at another number.
  const auto body_of = [&](size_t call) {
    return std::as_bytes(std::span(numbers)).subspan(call * sizeof(uint64_t), kBytes);
  };

  Results results;
  for (size_t call = 0; call < kCalls; ++call) {
    channel->Call(kEcho,
                  Message{.head = std::to_string(call), .body = Buffer::CopyOf(body_of(call))},
                  kLong,
                  PutInto(results));
  }
  for (const StatusOr<Message>& answer : results.Await(kCalls)) {
    REQUIRE(answer.ok());
    REQUIRE(answer->body.size() == kBytes);
    const auto expected = body_of(std::stoull(answer->head));
    CHECK(std::memcmp(answer->body.data(), expected.data(), kBytes) == 0);
  }
}

TEST_CASE("answers find their calls among many from several threads", "[rpc]") {
  FRESHET_FOR_EACH_TRANSPORT(transport);
  const auto server = StartServer(*transport, "127.0.0.1:0");
  const auto shared = transport->Connect(server->address());
  constexpr int kThreads = 4;
  constexpr int kCalls = 500;

  std::atomic<int> wrong{0};
  std::latch answered(kThreads * kCalls);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kCalls; ++i) {
        const std::string text = fmt::format("{}/{}", t, i);
        shared->Call(kEcho, MakeText(text, text), kLong, [&, text](StatusOr<Message> answer) {
          wrong += !answer.ok() || answer->head != text || TextOf(answer->body) != text;
          answered.count_down();
        });
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  answered.wait();
  CHECK(wrong == 0);
}

TEST_CASE("answers may come in another order than the calls", "[rpc]") {
  FRESHET_FOR_EACH_TRANSPORT(transport);
  Inbox<Held> held;
  const auto server = StartServer(*transport, "127.0.0.1:0", &held);
  const auto channel = transport->Connect(server->address());

  Results results;
  for (const char* name : {"first", "second", "third"}) {
    channel->Call(kHold, MakeText(name), kLong, PutInto(results));
  }
  std::vector<Held> requests = held.Await(3);
  CHECK(channel->CallAndWait(kEcho, MakeText("overtakes"), kLong).ok());
  for (const size_t i : {2, 0, 1}) {
    const std::string name = requests[i].request.head;
    requests[i].respond(MakeText("re " + name));
    const StatusOr<Message> answer = results.AwaitOne();
    REQUIRE(answer.ok());
    CHECK(answer->head == "re " + name);
  }
}

TEST_CASE("Done runs on another thread than Call, and may call again", "[rpc]") {
  FRESHET_FOR_EACH_TRANSPORT(transport);
  const auto server = StartServer(*transport, "127.0.0.1:0");
  const auto channel = transport->Connect(server->address());
  Inbox<std::thread::id> threads;
  channel->Call(kEcho, {}, kLong, [&](const StatusOr<Message>&) {
    const std::thread::id outer = std::this_thread::get_id();
    bool inside = true;
    channel->Call(kEcho, {}, kLong, [&threads, outer, &inside](const StatusOr<Message>&) {
      threads.Put(outer);
      (void)inside;
    });
    inside = false;
  });
  CHECK(threads.AwaitOne() != std::this_thread::get_id());
}

TEST_CASE("an address nobody listens on fails each call with Unavailable", "[rpc]") {
  FRESHET_FOR_EACH_TRANSPORT(transport);
  std::string address;
  {
    const auto server = StartServer(*transport, "127.0.0.1:0");
    address = server->address();
  }
  const auto channel = transport->Connect(address);
  for (int i = 0; i < 2; ++i) {
    const Status status = channel->CallAndWait(kEcho, {}, kLong).status();
    CHECK(status.code() == absl::StatusCode::kUnavailable);
    CHECK(MessageOf(status).find(address) != std::string::npos);
  }
}

TEST_CASE("two servers cannot take one address, and get different ones if they ask for any",
          "[rpc]") {
  FRESHET_FOR_EACH_TRANSPORT(transport);
  const auto one = StartServer(*transport, "127.0.0.1:0");
  const auto two = StartServer(*transport, "127.0.0.1:0");
  CHECK(one->address() != two->address());
  CHECK(transport->Listen(one->address()).status().code() == absl::StatusCode::kAlreadyExists);
}

TEST_CASE("a call before the server's Start waits for it", "[rpc]") {
  FRESHET_FOR_EACH_TRANSPORT(transport);
  auto server = transport->Listen("127.0.0.1:0");
  REQUIRE(server.ok());
  (*server)->Handle(kEcho, [](Message request, Responder respond) { respond(std::move(request)); });
  const auto channel = transport->Connect((*server)->address());
  Results results;
  channel->Call(kEcho, MakeText("early"), kLong, PutInto(results));
  (*server)->Start();
  CHECK(results.AwaitOne().ok());
}

TEST_CASE("typed calls carry messages, and refuse heads that do not parse", "[rpc]") {
  FRESHET_FOR_EACH_TRANSPORT(transport);
  auto listened = transport->Listen("127.0.0.1:0");
  REQUIRE(listened.ok());
  Server& server = **listened;
  HandleTyped<proto::PullRequest>(
      server, Method::kPull, [](const proto::PullRequest& request, Buffer body, Responder respond) {
        respond(MakeMessage(request, std::move(body)));
      });
  server.Start();
  const auto channel = transport->Connect(server.address());
  proto::PullRequest request;
  request.set_epoch(42);
  const auto answer =
      CallAndWait<proto::PullRequest>(*channel, Method::kPull, request, kLong, BytesOf("keys"));
  REQUIRE(answer.ok());
  CHECK(answer->epoch() == 42);
  const Status refused =
      channel->CallAndWait(Method::kPull, MakeText("\xff\xff\xff"), kLong).status();
  CHECK(refused.code() == absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace freshet::rpc
