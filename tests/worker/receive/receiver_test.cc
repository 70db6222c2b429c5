#include "worker/receive/receiver.h"

#include "tests/worker/receive/spool_fixture.h"

namespace freshet::worker::test {
namespace {

// A log of two lines, to be received.
struct Receiving {
  Receiving() {
    AppendTo(folder / "clicks.log", "one\ntwo\n");
    job.stream.path = folder / "spool";
    job.receive =
        ReceiveSettings{.from = ReceiveSettings::From::kLog, .log = folder / "clicks.log"};
  }

  std::unique_ptr<Receiver> Start() {
    auto receiver = Receiver::Start(LocalFileSystem(), SystemClock(), job, metrics);
    INFO(receiver.status());
    REQUIRE(receiver.ok());
    return *std::move(receiver);
  }

  const Folder folder;
  JobConfig job;
  Metrics registry;
  WorkerMetrics metrics{registry};
};

}  // namespace

TEST_CASE("what comes is written and counted", "[receive]") {
  Receiving receiving;
  const auto receiver = receiving.Start();
  for (int i = 0; i < 4000 && receiving.metrics.received_bytes.Value() < 8; ++i) {
    SystemClock().SleepFor(std::chrono::milliseconds(5));
  }
  CHECK(receiving.metrics.received_bytes.Value() == 8);
  for (int i = 0; i < 4000 && AllReceived(receiving.job.stream.path).size() < 8; ++i) {
    SystemClock().SleepFor(std::chrono::milliseconds(5));
  }
  CHECK(AllReceived(receiving.job.stream.path) == "one\ntwo\n");
  CHECK(receiver->status().ok());
}

TEST_CASE("a stream that somebody has ended receives nothing more", "[receive]") {
  Receiving receiving;
  std::filesystem::create_directories(receiving.job.stream.path);
  AppendTo(receiving.job.stream.path + "/_SUCCESS", "");
  {
    const auto receiver = receiving.Start();
    CHECK(receiver->status().ok());
  }  // has looked, and come to its end
  CHECK(SegmentsOf(receiving.job.stream.path).empty());
  CHECK(std::filesystem::exists(receiving.job.stream.path + "/_SUCCESS"));
}

TEST_CASE("a folder that another receives into is refused", "[receive]") {
  Receiving receiving;
  const auto receiver = receiving.Start();
  const auto second =
      Receiver::Start(LocalFileSystem(), SystemClock(), receiving.job, receiving.metrics);
  CHECK_THAT(MessageOf(second.status()), Catch::Contains("another process receives"));
}

}  // namespace freshet::worker::test
