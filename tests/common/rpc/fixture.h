#pragma once
#include <catch2/catch.hpp>
#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "common/check.h"
#include "common/mutex.h"
#include "common/rpc/rpc.h"
#include "tests/common/rpc/wire.h"

namespace freshet::rpc {

// Longer than any call of a test takes that is not meant to pass its deadline.
inline constexpr std::chrono::milliseconds kLong{60000};

// What a test server offers, by numbers of its own.
inline constexpr Method kEcho{1000};
inline constexpr Method kFail{1001};
inline constexpr Method kForget{1002};
inline constexpr Method kHold{1003};
inline constexpr Method kNobody{1004};

inline Buffer BytesOf(const std::string& text) {
  return Buffer::CopyOf(std::as_bytes(std::span(text)));
}

inline Message MakeText(const std::string& head, const std::string& body = "") {
  return Message{.head = head, .body = BytesOf(body)};
}

// Things that come from other threads, to be awaited.
template <typename T>
class Inbox {
 public:
  void Put(T item) {
    const MutexLock lock(mutex_);
    items_.push_back(std::move(item));
    arrived_.NotifyAll();
  }

  // Waits until there are `count`, and takes all.
  std::vector<T> Await(size_t count) {
    const MutexLock lock(mutex_);
    while (items_.size() < count) {
      arrived_.Wait(mutex_);
    }
    return std::exchange(items_, {});
  }

  T AwaitOne() {
    std::vector<T> items = Await(1);
    FRESHET_CHECK(items.size() == 1);
    return std::move(items.front());
  }

  size_t size() {
    const MutexLock lock(mutex_);
    return items_.size();
  }

 private:
  Mutex mutex_;
  CondVar arrived_;
  std::vector<T> items_ ABSL_GUARDED_BY(mutex_);
};

// A request that waits for the test to answer it.
struct Held {
  Message request;
  Responder respond;
};

using Results = Inbox<StatusOr<Message>>;

inline Channel::Done PutInto(Results& results) {
  return [&results](StatusOr<Message> result) { results.Put(std::move(result)); };
}

// A server with the methods above; requests of kHold go to `held`.
inline std::unique_ptr<Server> StartServer(Transport& transport,
                                           const std::string& address,
                                           Inbox<Held>* held = nullptr) {
  StatusOr<std::unique_ptr<Server>> listened = transport.Listen(address);
  INFO(MessageOf(listened.status()));
  REQUIRE(listened.ok());
  std::unique_ptr<Server> server = *std::move(listened);
  server->Handle(kEcho, [](Message request, Responder respond) { respond(std::move(request)); });
  server->Handle(kFail, [](Message request, Responder respond) {
    respond(NotFound("no row for {}", request.head));
  });
  server->Handle(kForget, [](Message, Responder) {});
  if (held != nullptr) {
    server->Handle(kHold, [held](Message request, Responder respond) {
      held->Put({.request = std::move(request), .respond = std::move(respond)});
    });
  }
  server->Start();
  return server;
}

// Both transports must pass the same cases.
struct TransportKind {
  const char* name;
  std::unique_ptr<Transport> (*make)();
};

inline std::unique_ptr<Transport> MakeTcpWith(int io_threads) {
  return MakeTcpTransport({.io_threads = io_threads});
}

inline constexpr TransportKind kTransportKinds[] = {
    {"tcp, one io thread", [] { return MakeTcpWith(1); }},
    {"tcp, two io threads", [] { return MakeTcpWith(2); }},
    {"in-process", [] { return MakeInProcessTransport(); }},
};

// Opens a section per transport.
#define FRESHET_FOR_EACH_TRANSPORT(transport)                                       \
  const TransportKind transport_kind =                                              \
      GENERATE(from_range(std::begin(kTransportKinds), std::end(kTransportKinds))); \
  INFO(transport_kind.name);                                                        \
  const std::unique_ptr<Transport> transport = transport_kind.make()

}  // namespace freshet::rpc
