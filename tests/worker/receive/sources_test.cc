#include <fcntl.h>
#include <unistd.h>

#include <thread>
#include <zmq.hpp>

#include "common/stream/record_ends.h"
#include "tests/worker/receive/spool_fixture.h"
#include "worker/receive/sample_source.h"

namespace freshet::worker::test {
namespace {

using Framing = FileStreamOptions::Framing;
using std::chrono::milliseconds;

constexpr milliseconds kPatience{20};

// Until it has ended.
std::string ReceiveToEnd(SampleSource& source) {
  std::string all;
  while (true) {
    const auto received = source.Receive(kPatience);
    INFO(received.status());
    REQUIRE(received.ok());
    all += received->bytes;
    if (received->ended) {
      return all;
    }
  }
}

// What `text` becomes that is written into a pipe piece by piece.
std::string ThroughPipe(const std::string& text, Framing framing, bool drop_header) {
  int ends[2] = {};
  REQUIRE(::pipe(ends) == 0);
  std::thread writer([&] {
    for (const char byte : text) {
      if (::write(ends[1], &byte, 1) != 1) {
        break;
      }
    }
    ::close(ends[1]);
  });
  const auto source = MakePipeSource(ends[0], framing, drop_header);
  std::string all = ReceiveToEnd(*source);
  writer.join();
  ::close(ends[0]);
  return all;
}

// As many bytes as were sent.
std::string ReceiveBytes(SampleSource& source, size_t bytes) {
  std::string all;
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (all.size() < bytes && std::chrono::steady_clock::now() < give_up) {
    const auto received = source.Receive(kPatience);
    REQUIRE(received.ok());
    all += received->bytes;
  }
  return all;
}

std::unique_ptr<SampleSource> ZmqSource(const std::string& address, Framing framing) {
  auto source =
      MakeZmqSource({.from = ReceiveSettings::From::kZmq, .address = address}, framing, 1000);
  INFO(source.status());
  REQUIRE(source.ok());
  return *std::move(source);
}

}  // namespace

TEST_CASE("a pipe is received as it is, with a line end at its end", "[receive]") {
  CHECK(ThroughPipe("a\nb\n", Framing::kLines, false) == "a\nb\n");
  CHECK(ThroughPipe("a\nb", Framing::kLines, false) == "a\nb\n");
  CHECK(ThroughPipe("user,item\na\nb", Framing::kLines, true) == "a\nb\n");
  CHECK(ThroughPipe("", Framing::kLines, false).empty());
  CHECK(ThroughPipe("user,item", Framing::kLines, true).empty());
  CHECK(ThroughPipe(std::string("\x01x\0", 3), Framing::kMessages, false) ==
        std::string("\x01x\0", 3));
}

TEST_CASE("each part of a ZeroMQ message is a record", "[receive]") {
  const Folder folder;
  const std::string address = "ipc://" + folder / "socket";
  const Framing framing = GENERATE(Framing::kLines, Framing::kMessages);
  const auto source = ZmqSource(address, framing);
  zmq::context_t context;
  zmq::socket_t push(context, zmq::socket_type::push);
  push.connect(address);
  std::string expected;
  for (int i = 0; i < 2000; ++i) {
    const std::string record(static_cast<size_t>(1 + i % 300), 'x');
    push.send(zmq::buffer(record), i % 3 == 0 ? zmq::send_flags::sndmore : zmq::send_flags::none);
    if (framing == Framing::kMessages) {
      AppendMessageLength(record.size(), &expected);
      expected += record;
    } else {
      expected += record + "\n";
    }
  }
  CHECK(ReceiveBytes(*source, expected.size()) == expected);
}

TEST_CASE("a ZeroMQ message that is too long costs its sender the connection", "[receive]") {
  const Folder folder;
  const std::string address = "ipc://" + folder / "socket";
  const auto source = ZmqSource(address, Framing::kLines);
  zmq::context_t context;
  zmq::socket_t bad(context, zmq::socket_type::push);
  bad.set(zmq::sockopt::linger, 0);
  bad.connect(address);
  bad.send(zmq::buffer(std::string(5000, 'x')), zmq::send_flags::none);
  zmq::socket_t good(context, zmq::socket_type::push);
  good.connect(address);
  good.send(zmq::buffer(std::string("fine\n")), zmq::send_flags::none);
  CHECK(ReceiveBytes(*source, 5) == "fine\n");
}

TEST_CASE("an address that is none, or taken, is named", "[receive]") {
  const auto none = MakeZmqSource(
      {.from = ReceiveSettings::From::kZmq, .address = "localhost"}, Framing::kLines, 1000);
  CHECK(absl::IsInvalidArgument(none.status()));
  CHECK_THAT(MessageOf(none.status()), Catch::Contains("localhost"));
}

}  // namespace freshet::worker::test
