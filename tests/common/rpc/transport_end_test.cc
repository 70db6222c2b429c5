#include <optional>
#include <thread>

#include "tests/common/rpc/fixture.h"

// Deadlines, and what happens when one side goes away.
namespace freshet::rpc {
namespace {

constexpr std::chrono::milliseconds kShort{20};

TEST_CASE("a call that is not answered in time gets DeadlineExceeded, others their answer",
          "[rpc]") {
  FRESHET_FOR_EACH_TRANSPORT(transport);
  Inbox<Held> held;
  const auto server = StartServer(*transport, "127.0.0.1:0", &held);
  const auto channel = transport->Connect(server->address());
  Results patient;
  channel->Call(kHold, MakeText("patient"), kLong, PutInto(patient));
  const Status late = channel->CallAndWait(kHold, MakeText("late"), kShort).status();
  CHECK(late ==
        DeadlineExceeded("no answer from {} to method 1003 within 20 ms", server->address()));

  // The late answer goes nowhere.
  for (Held& request : held.Await(2)) {
    request.respond(std::move(request.request));
  }
  const StatusOr<Message> answer = patient.AwaitOne();
  REQUIRE(answer.ok());
  CHECK(answer->head == "patient");
  CHECK(channel->CallAndWait(kEcho, {}, kLong).ok());
}

TEST_CASE("a deadline that has passed already is no answer, and forever is not too long", "[rpc]") {
  FRESHET_FOR_EACH_TRANSPORT(transport);
  Inbox<Held> held;
  const auto server = StartServer(*transport, "127.0.0.1:0", &held);
  const auto channel = transport->Connect(server->address());
  CHECK(channel->CallAndWait(kEcho, {}, std::chrono::milliseconds::max()).ok());
  CHECK(channel->CallAndWait(kHold, {}, std::chrono::milliseconds(-5)).status().code() ==
        absl::StatusCode::kDeadlineExceeded);
}

TEST_CASE("calls in flight fail with Unavailable when the server goes away", "[rpc]") {
  FRESHET_FOR_EACH_TRANSPORT(transport);
  Inbox<Held> held;
  auto server = StartServer(*transport, "127.0.0.1:0", &held);
  const auto channel = transport->Connect(server->address());
  Results results;
  for (int i = 0; i < 10; ++i) {
    channel->Call(kHold, {}, kLong, PutInto(results));
  }
  std::vector<Held> requests = held.Await(10);
  server.reset();
  for (const StatusOr<Message>& result : results.Await(10)) {
    CHECK(result.status().code() == absl::StatusCode::kUnavailable);
  }
  // Responders outlive the server.
  requests.front().respond(MakeText("too late"));
  requests.clear();
  CHECK(results.size() == 0);
}

TEST_CASE("a channel finds a new server at the old address", "[rpc]") {
  FRESHET_FOR_EACH_TRANSPORT(transport);
  auto server = StartServer(*transport, "127.0.0.1:0");
  const std::string address = server->address();
  const auto channel = transport->Connect(address);
  for (int i = 0; i < 5; ++i) {
    CHECK(channel->CallAndWait(kEcho, MakeText("again"), kLong).ok());
    server.reset();
    CHECK(channel->CallAndWait(kEcho, {}, kLong).status().code() == absl::StatusCode::kUnavailable);
    server = StartServer(*transport, address);
    // The channel may learn only now that its connection broke.
    StatusOr<Message> answer = channel->CallAndWait(kEcho, MakeText("again"), kLong);
    if (!answer.ok()) {
      answer = channel->CallAndWait(kEcho, MakeText("again"), kLong);
    }
    CHECK(answer.ok());
  }
}

TEST_CASE("destroying a channel fails its calls in flight with Cancelled before it returns",
          "[rpc]") {
  FRESHET_FOR_EACH_TRANSPORT(transport);
  Inbox<Held> held;
  const auto server = StartServer(*transport, "127.0.0.1:0", &held);
  auto channel = transport->Connect(server->address());
  Results results;
  for (int i = 0; i < 10; ++i) {
    channel->Call(kHold, {}, kLong, PutInto(results));
  }
  std::vector<Held> requests = held.Await(10);
  // These may not have left yet.
  for (int i = 0; i < 10; ++i) {
    channel->Call(kHold, {}, kLong, PutInto(results));
  }
  channel.reset();
  CHECK(results.size() == 20);
  for (const StatusOr<Message>& result : results.Await(20)) {
    CHECK(result.status().code() == absl::StatusCode::kCancelled);
  }
  for (Held& request : requests) {
    request.respond(Message{});
  }
  const auto other = transport->Connect(server->address());
  CHECK(other->CallAndWait(kEcho, {}, kLong).ok());
}

TEST_CASE("each call ends once while its channel and server are destroyed", "[rpc]") {
  FRESHET_FOR_EACH_TRANSPORT(transport);
  constexpr size_t kCalls = 50;
  for (int round = 0; round < 20; ++round) {
    auto server = StartServer(*transport, "127.0.0.1:0");
    auto channel = transport->Connect(server->address());
    Results results;
    for (size_t i = 0; i < kCalls; ++i) {
      channel->Call(kEcho, {}, kLong, PutInto(results));
    }
    std::thread other([&] { server.reset(); });
    channel.reset();
    CHECK(results.size() == kCalls);
    other.join();
  }
}

TEST_CASE("no handler runs once its server is destroyed", "[rpc]") {
  FRESHET_FOR_EACH_TRANSPORT(transport);
  for (int round = 0; round < 20; ++round) {
    auto token = std::make_shared<int>(0);
    const std::weak_ptr<int> alive = token;
    auto listened = transport->Listen("127.0.0.1:0");
    REQUIRE(listened.ok());
    std::unique_ptr<Server> server = *std::move(listened);
    server->Handle(kEcho, [token = std::move(token)](Message request, Responder respond) {
      ++*token;
      respond(std::move(request));
    });
    server->Start();
    const auto channel = transport->Connect(server->address());
    Results results;
    for (int i = 0; i < 20; ++i) {
      channel->Call(kEcho, {}, kLong, PutInto(results));
    }
    server.reset();
    CHECK(alive.expired());
    results.Await(20);
  }
}

TEST_CASE("responders may be used and dropped after the transport is gone", "[rpc]") {
  const TransportKind kind =
      GENERATE(from_range(std::begin(kTransportKinds), std::end(kTransportKinds)));
  INFO(kind.name);
  Inbox<Held> held;
  Results results;
  {
    const auto transport = kind.make();
    const auto server = StartServer(*transport, "127.0.0.1:0", &held);
    const auto channel = transport->Connect(server->address());
    channel->Call(kHold, {}, kLong, PutInto(results));
    channel->Call(kHold, {}, kLong, PutInto(results));
    std::vector<Held> requests = held.Await(2);
    for (Held& request : requests) {
      held.Put(std::move(request));
    }
  }
  CHECK(results.Await(2).front().status().code() == absl::StatusCode::kCancelled);
  std::vector<Held> requests = held.Await(2);
  requests.front().respond(Message{});
}

TEST_CASE("a channel may be destroyed in one of its own Dones", "[rpc]") {
  FRESHET_FOR_EACH_TRANSPORT(transport);
  const auto server = StartServer(*transport, "127.0.0.1:0");
  auto channel = transport->Connect(server->address());
  Results results;
  channel->Call(kEcho, {}, kLong, [&](StatusOr<Message> result) {
    channel.reset();
    results.Put(std::move(result));
  });
  CHECK(results.AwaitOne().ok());
}

}  // namespace
}  // namespace freshet::rpc
