#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <mutex>
#include <random>
#include <thread>

#include "tests/common/rpc/fixture.h"
#include "tests/common/rpc/raw_socket.h"

// Peers that break the protocol over TCP harm themselves only.
namespace freshet::rpc {
namespace {

constexpr TcpOptions kOptions{.max_head_bytes = 1000, .max_body_bytes = 1U << 20U};

const FrameHeader kEchoHeader{.method = kEcho, .request_id = 1};

// Calls a server without pause from its beginning to its end.
class GoodClient {
 public:
  GoodClient(Transport& transport, const std::string& address)
      : channel_(transport.Connect(address)), thread_([this] { CallOn(); }) {}

  ~GoodClient() {
    ended_ = true;
    thread_.join();
    CHECK(good_ > 0);
    CHECK(bad_ == 0);
  }

 private:
  void CallOn() {
    do {
      const auto answer = channel_->CallAndWait(kEcho, MakeText("head", "body"), kLong);
      ++(answer.ok() && answer->head == "head" ? good_ : bad_);
    } while (!ended_);
  }

  std::atomic<bool> ended_{false};
  std::atomic<int> good_{0};
  std::atomic<int> bad_{0};
  const std::unique_ptr<Channel> channel_;
  std::thread thread_;
};

TEST_CASE("a hostile frame closes its own connection and no other", "[rpc]") {
  const auto transport = MakeTcpTransport(kOptions);
  const auto server = StartServer(*transport, "127.0.0.1:0");
  const GoodClient good(*transport, server->address());
  const std::string hostile =
      GENERATE(std::string("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
               std::string(100'000, '\0'),
               SealedWire(kEchoHeader, 5, 9),                                 // unknown kind
               SealedWire(kEchoHeader, 5, 2),                                 // a response
               SealedWire(kEchoHeader, 4, 2),                                 // unknown version
               SealedWire(kEchoHeader, 28, 0).replace(28, 4, "\0\0\0\0", 4),  // bad checksum
               WireOf({.method = kEcho, .head_bytes = 1001}),                 // head too long
               WireOf({.method = kEcho, .body_bytes = UINT32_MAX}),           // body too long
               WireOf(kEchoHeader) + WireOf(kEchoHeader) + std::string(32, 'x'));
  RawSocket raw = RawSocket::ConnectTo(server->address());
  raw.Write(hostile);
  raw.AwaitClosed();
}

TEST_CASE("a stream that ends inside a frame harms nobody", "[rpc]") {
  const auto transport = MakeTcpTransport(kOptions);
  const auto server = StartServer(*transport, "127.0.0.1:0");
  const GoodClient good(*transport, server->address());
  const std::string whole = WireOf({.method = kEcho, .head_bytes = 2, .body_bytes = 3}) + "hhbbb";
  for (size_t bytes = 0; bytes < whole.size(); ++bytes) {
    RawSocket raw = RawSocket::ConnectTo(server->address());
    raw.Write(whole.substr(0, bytes));
    raw.EndWriting();
    raw.AwaitClosed();
  }
}

TEST_CASE("random bytes after a good beginning harm nobody", "[rpc]") {
  const auto transport = MakeTcpTransport(kOptions);
  const auto server = StartServer(*transport, "127.0.0.1:0");
  const GoodClient good(*transport, server->address());
  const uint32_t seed = GENERATE(range(0U, 20U));
  INFO("seed " << seed);
  std::mt19937 random(seed);
  std::string bytes(std::uniform_int_distribution<size_t>(1, 50'000)(random), '\0');
  std::ranges::generate(bytes, [&] { return static_cast<char>(random()); });
  RawSocket raw = RawSocket::ConnectTo(server->address());
  raw.Write(WireOf(kEchoHeader) + bytes);
  raw.EndWriting();
  raw.AwaitClosed();
}

TEST_CASE("clients that come and go without a word harm nobody", "[rpc]") {
  const auto transport = MakeTcpTransport(kOptions);
  const auto server = StartServer(*transport, "127.0.0.1:0");
  const GoodClient good(*transport, server->address());
  for (int i = 0; i < 100; ++i) {
    RawSocket::ConnectTo(server->address());
  }
}

TEST_CASE("a client that does not read is not read from either, until it does", "[rpc]") {
  constexpr int kRequests = 2000;
  constexpr size_t kAnswerBytes = 64U << 10U;
  // 16 answers may be unsent; requests that came in one read with the last one are answered, too;
  // and the kernel's buffers on both sides hold some.
  constexpr int kMaxAhead = 1000;
  TcpOptions options;
  options.max_unsent_bytes = 16 * kAnswerBytes;
  const auto transport = MakeTcpTransport(options);
  auto listened = transport->Listen("127.0.0.1:0");
  REQUIRE(listened.ok());
  Server& server = **listened;
  std::atomic<int> handled{0};
  server.Handle(kHold, [&](Message, Responder respond) {
    ++handled;
    Buffer body(kAnswerBytes);
    std::memset(body.data(), 'a', body.size());
    respond(Message{.head = "", .body = std::move(body)});
  });
  server.Handle(kEcho, [](Message request, Responder respond) { respond(std::move(request)); });
  server.Start();

  RawSocket lazy = RawSocket::ConnectTo(server.address());
  std::string requests;
  for (int i = 0; i < kRequests; ++i) {
    requests += WireOf({.method = kHold, .request_id = static_cast<uint64_t>(i)});
  }
  REQUIRE(lazy.Write(requests));
  // Gives the server time to do too much, if it would.
  const auto channel = transport->Connect(server.address());
  for (int i = 0; i < 100; ++i) {
    REQUIRE(channel->CallAndWait(kEcho, {}, kLong).ok());
  }
  for (int i = 0; i < kRequests; ++i) {
    const int ahead = handled - i;
    REQUIRE(ahead < kMaxAhead);
    REQUIRE(lazy.Read(kFrameHeaderBytes + kAnswerBytes).size() == kFrameHeaderBytes + kAnswerBytes);
  }
  CHECK(handled == kRequests);
}

TEST_CASE("who sends no whole frame in time is let go, whoever did may be silent", "[rpc]") {
  TcpOptions options = kOptions;
  options.first_frame_timeout = std::chrono::milliseconds(200);
  const auto transport = MakeTcpTransport(options);
  const auto server = StartServer(*transport, "127.0.0.1:0");
  const std::string whole = WireOf(kEchoHeader);
  RawSocket quiet = RawSocket::ConnectTo(server->address());
  REQUIRE(quiet.Write(whole));
  REQUIRE(quiet.Read(whole.size()).size() == whole.size());
  for (const size_t bytes : {size_t{0}, size_t{1}, whole.size() - 1}) {
    RawSocket slow = RawSocket::ConnectTo(server->address());
    slow.Write(whole.substr(0, bytes));
    slow.AwaitClosed();
  }
  REQUIRE(quiet.Write(whole));
  CHECK(quiet.Read(whole.size()).size() == whole.size());
}

TEST_CASE("a client with much unanswered is read on when it has its answers", "[rpc]") {
  constexpr size_t kBodyBytes = 64U << 10U;
  constexpr int kRequests = 100;
  constexpr int kHeld = 8;  // and one more, which fills what is allowed
  TcpOptions options;
  options.max_unanswered_bytes = kHeld * kBodyBytes;
  const auto transport = MakeTcpTransport(options);
  auto listened = transport->Listen("127.0.0.1:0");
  REQUIRE(listened.ok());
  Server& server = **listened;
  std::mutex mutex;
  std::vector<Responder> unanswered;
  server.Handle(kHold, [&](const Message&, Responder respond) {
    const std::lock_guard lock(mutex);
    unanswered.push_back(std::move(respond));
  });
  server.Handle(kEcho, [](Message request, Responder respond) { respond(std::move(request)); });
  server.Start();

  const GoodClient good(*transport, server.address());
  const auto channel = transport->Connect(server.address());
  std::atomic<int> answered{0};
  for (int i = 0; i < kRequests; ++i) {
    channel->Call(kHold, {.head = "", .body = Buffer(kBodyBytes)}, kLong, [&](const auto& answer) {
      answered += answer.ok() ? 1 : 0;
    });
  }
  while (answered < kRequests) {
    std::vector<Responder> taken;
    {
      const std::lock_guard lock(mutex);
      REQUIRE(unanswered.size() <= kHeld + 1);
      taken.swap(unanswered);
    }
    for (Responder& respond : taken) {
      respond(Message{});
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  CHECK(answered == kRequests);
}

size_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  size_t all_pages = 0;
  size_t resident_pages = 0;
  file >> all_pages >> resident_pages;
  return resident_pages * static_cast<size_t>(::sysconf(_SC_PAGESIZE));
}

// FRESHET_BAD_FRAMES says how many; a million takes minutes.
TEST_CASE("any number of bad frames harms no good client and fills no memory", "[rpc]") {
  const char* const asked = std::getenv("FRESHET_BAD_FRAMES");
  const int frames = asked == nullptr ? 5000 : std::atoi(asked);
  const auto transport = MakeTcpTransport(kOptions);
  const auto server = StartServer(*transport, "127.0.0.1:0");
  const GoodClient good(*transport, server->address());
  const size_t resident_before = ResidentBytes();
  std::mt19937 random(7);
  const auto pick = [&](size_t below) { return static_cast<size_t>(random()) % below; };
  const std::string whole =
      WireOf({.method = kEcho, .request_id = 1, .head_bytes = 4, .body_bytes = 8}) + "headbodybody";
  for (int i = 0; i < frames; ++i) {
    std::string frame = whole;
    switch (pick(4)) {
      case 0:  // flipped bits
        frame[pick(kFrameHeaderBytes)] ^= static_cast<char>(1U << pick(8));
        break;
      case 1:  // cut off
        frame.resize(pick(frame.size()));
        break;
      case 2:  // any lengths
        frame = WireOf({.method = kEcho,
                        .head_bytes = static_cast<uint32_t>(random()),
                        .body_bytes = static_cast<uint32_t>(random())});
        break;
      default:  // any bytes
        std::ranges::generate(frame, [&] { return static_cast<char>(random()); });
    }
    RawSocket raw = RawSocket::ConnectTo(server->address());
    raw.Write(frame);
    raw.EndWriting();
    if (i % 16 == 0) {
      raw.AwaitClosed();  // so that it does not lag behind for good
    }
  }
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  (void)resident_before;  // sanitizers keep what is freed for a while
#else
  CHECK(ResidentBytes() < resident_before + (size_t{64} << 20U));
#endif
}

TEST_CASE("a hostile server fails the calls to it, and the next connection is new", "[rpc]") {
  RawListener listener;
  const auto transport = MakeTcpTransport(kOptions);
  const auto channel = transport->Connect(listener.address());
  const FrameHeader answer{.kind = FrameKind::kResponse, .method = kEcho, .request_id = 1};
  const std::string hostile = GENERATE_COPY(std::string(40, 'x'),
                                            WireOf(kEchoHeader),
                                            SealedWire(answer, 5, 0),
                                            WireOf(answer).substr(0, 20));
  Results results;
  channel->Call(kEcho, {}, kLong, PutInto(results));
  {
    RawSocket raw = listener.Accept();
    raw.Read(kFrameHeaderBytes);
    raw.Write(hostile);
    raw.EndWriting();
    CHECK(results.AwaitOne().status().code() == absl::StatusCode::kUnavailable);
    raw.AwaitClosed();
  }
  channel->Call(kEcho, {}, kLong, PutInto(results));
  RawSocket raw = listener.Accept();
  FrameHeader good = answer;
  good.request_id = 999;  // nobody waits for it: ignored
  raw.Write(WireOf(good));
  good.request_id = 2;
  raw.Write(WireOf(good));
  CHECK(results.AwaitOne().ok());
}

TEST_CASE("messages beyond the limits are refused by the sender's side", "[rpc]") {
  const auto transport = MakeTcpTransport(kOptions);
  auto listened = transport->Listen("127.0.0.1:0");
  REQUIRE(listened.ok());
  Server& server = **listened;
  server.Handle(kEcho, [](Message request, Responder respond) { respond(std::move(request)); });
  server.Handle(kHold, [](Message, Responder respond) {
    respond(Message{.head = "", .body = Buffer(kOptions.max_body_bytes + 1)});
  });
  server.Handle(
      kFail, [](Message, Responder respond) { respond(NotFound("{}", std::string(5000, 'e'))); });
  server.Start();
  const auto channel = transport->Connect(server.address());
  CHECK(channel->CallAndWait(kEcho, MakeText(std::string(1001, 'h')), kLong).status() ==
        InvalidArgument("a head of 1001 bytes, the limit is 1000"));
  CHECK(channel->CallAndWait(kHold, {}, kLong).status() ==
        InvalidArgument("the answer does not fit into a frame: "
                        "a body of 1048577 bytes, the limit is 1048576"));
  CHECK(channel->CallAndWait(kFail, {}, kLong).status() == NotFound("{}", std::string(1000, 'e')));
  CHECK(channel->CallAndWait(kEcho, MakeText("fits"), kLong).ok());
}

TEST_CASE("an address that is none is refused with what is expected", "[rpc]") {
  const auto transport = MakeTcpTransport();
  for (const char* address : {"", "localhost", ":1", "host:", "host:x", "host:70000", "a:b:1"}) {
    INFO(address);
    const Status expected = InvalidArgument("address '{}', expected host:port", address);
    CHECK(transport->Listen(address).status() == expected);
    CHECK(transport->Connect(address)->CallAndWait(kEcho, {}, kLong).status() == expected);
  }
}

TEST_CASE("names and IPv6 addresses are connected to", "[rpc]") {
  const auto transport = MakeTcpTransport();
  const auto by_name = StartServer(*transport, "localhost:0");
  CHECK(by_name->address().starts_with("localhost:"));
  CHECK(transport->Connect(by_name->address())->CallAndWait(kEcho, {}, kLong).ok());
  auto six = transport->Listen("[::1]:0");
  if (!six.ok()) {
    WARN("no IPv6 here: " << MessageOf(six.status()));
    return;
  }
  (*six)->Start();
  CHECK((*six)->address().starts_with("[::1]:"));
  CHECK(transport->Connect((*six)->address())->CallAndWait(kNobody, {}, kLong).status().code() ==
        absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace freshet::rpc
