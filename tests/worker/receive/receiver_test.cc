#include "worker/receive/receiver.h"

#include <atomic>
#include <future>

#include "tests/common/forwarding_files.h"
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

// Knows how much of what was written to its files is synced.
class SyncCounter final : public freshet::test::ForwardingFiles {
 public:
  StatusOr<std::unique_ptr<WritableFile>> OpenWritable(const std::string& path) override {
    FRESHET_ASSIGN_OR_RETURN(auto file, ForwardingFiles::OpenWritable(path));
    return std::make_unique<File>(std::move(file), synced);
  }

  std::atomic<size_t> synced = 0;

 private:
  class File final : public WritableFile {
   public:
    File(std::unique_ptr<WritableFile> file, std::atomic<size_t>& synced)
        : file_(std::move(file)), synced_(synced) {}

    Status Append(std::span<const std::byte> bytes) override {
      unsynced_ += bytes.size();
      return file_->Append(bytes);
    }

    Status Sync() override {
      synced_ += std::exchange(unsynced_, 0);
      return file_->Sync();
    }

   private:
    const std::unique_ptr<WritableFile> file_;
    std::atomic<size_t>& synced_;
    size_t unsynced_ = 0;
  };
};

class StoppedClock final : public Clock {
 public:
  std::chrono::nanoseconds Monotonic() const override { return {}; }

  int64_t UnixMillis() const override { return 0; }

  void SleepFor(std::chrono::nanoseconds duration) override { SystemClock().SleepFor(duration); }
};

TEST_CASE("what has been received is synced when somebody waits for it", "[receive]") {
  Receiving receiving;
  SyncCounter files;
  StoppedClock clock;  // never time to sync
  auto receiver = Receiver::Start(files, clock, receiving.job, receiving.metrics);
  REQUIRE(receiver.ok());
  for (int i = 0; i < 4000 && AllReceived(receiving.job.stream.path).size() < 8; ++i) {
    SystemClock().SleepFor(std::chrono::milliseconds(5));
  }
  REQUIRE(AllReceived(receiving.job.stream.path) == "one\ntwo\n");
  const size_t before = files.synced;
  std::promise<Status> synced;
  (*receiver)->WhenSynced([&](const Status& status) { synced.set_value(status); });
  CHECK(synced.get_future().get().ok());
  CHECK(files.synced == before + 8);
}

TEST_CASE("who waits for a receiver that has come to its end is answered", "[receive]") {
  Receiving receiving;
  std::filesystem::create_directories(receiving.job.stream.path);
  AppendTo(receiving.job.stream.path + "/_SUCCESS", "");
  const auto receiver = receiving.Start();
  std::promise<Status> synced;
  receiver->WhenSynced([&](const Status& status) { synced.set_value(status); });
  CHECK(synced.get_future().get().ok());
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

// A disk that is full until a file goes.
class FullDisk final : public freshet::test::ForwardingFiles {
 public:
  StatusOr<std::unique_ptr<WritableFile>> OpenWritable(const std::string& path) override {
    return full_ ? ResourceExhausted("no room for {}", path) : ForwardingFiles::OpenWritable(path);
  }

  Status RemoveAll(const std::string& path) override {
    full_ = false;
    return ForwardingFiles::RemoveAll(path);
  }

 private:
  std::atomic<bool> full_ = true;
};

TEST_CASE("samples that are too old make room on a full disk", "[receive]") {
  Receiving receiving;
  receiving.job.receive->keep_ms = 3'600'000;
  const std::string& folder = receiving.job.stream.path;
  std::filesystem::create_directories(folder);
  AppendTo(folder + "/000000000001", "old\n");
  AppendTo(folder + "/000000000002", "newer\n");
  std::filesystem::last_write_time(
      folder + "/000000000001",
      std::filesystem::file_time_type::clock::now() - std::chrono::hours(2));
  FullDisk files;
  const auto receiver = Receiver::Start(files, SystemClock(), receiving.job, receiving.metrics);
  REQUIRE(receiver.ok());
  const std::string expected = "newer\none\ntwo\n";
  for (int i = 0; i < 4000 && AllReceived(folder) != expected; ++i) {
    SystemClock().SleepFor(std::chrono::milliseconds(5));
  }
  CHECK(AllReceived(folder) == expected);
}

TEST_CASE("a folder that another receives into is refused", "[receive]") {
  Receiving receiving;
  const auto receiver = receiving.Start();
  const auto second =
      Receiver::Start(LocalFileSystem(), SystemClock(), receiving.job, receiving.metrics);
  CHECK_THAT(MessageOf(second.status()), Catch::Contains("another process receives"));
}

}  // namespace freshet::worker::test
