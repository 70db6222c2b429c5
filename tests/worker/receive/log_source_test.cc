#include "tests/worker/receive/spool_fixture.h"
#include "worker/receive/sample_source.h"

namespace freshet::worker::test {
namespace {

using std::chrono::milliseconds;

// Runs ahead when it sleeps, so that waiting takes no time.
class FastClock final : public Clock {
 public:
  std::chrono::nanoseconds Monotonic() const override { return now_; }

  int64_t UnixMillis() const override { return SystemClock().UnixMillis(); }

  void SleepFor(std::chrono::nanoseconds duration) override { now_ += duration; }

 private:
  std::chrono::nanoseconds now_{0};
};

// A program's log, a receiver of it, and both over again.
class Rotated {
 public:
  std::string log() const { return folder_ / "clicks.log"; }

  std::string spooled() const { return folder_ / "spool"; }

  void Write(const std::string& line) {
    Append(log(), line + "\n");
    expected_ += line + "\n";
  }

  void Rotate() {
    // As logrotate names them: the newest is .1.
    for (int i = 100; i >= 1; --i) {
      std::error_code none;
      std::filesystem::rename(
          log() + fmt::format(".{}", i), log() + fmt::format(".{}", i + 1), none);
    }
    std::filesystem::rename(log(), log() + ".1");
  }

  // Each write has a time of its own, which the clock of a file system does not promise.
  void Append(const std::string& path, const std::string& text) {
    AppendTo(path, text);
    written_ += milliseconds(1);
    std::filesystem::last_write_time(path, written_);
  }

  void Start() {
    spool_ = OpenSpool({.directory = spooled(), .segment_bytes = 400}, LocalFileSystem(), clock_);
    source_ =
        MakeLogSource(LocalFileSystem(), clock_, log(), spool_->stood_at(), spool_->stood_at_ns());
  }

  void Kill() {
    source_.reset();
    spool_.reset();
  }

  bool running() const { return spool_ != nullptr; }

  // One round; true if something came.
  bool Receive() {
    auto received = source_->Receive(milliseconds(50));
    INFO(received.status());
    REQUIRE(received.ok());
    gaps += received->gap ? 1 : 0;
    const bool some = !received->bytes.empty();
    PutAndWrite(*spool_, *std::move(received));
    return some;
  }

  void ReceiveAll() {
    for (int quiet = 0; quiet < 500;) {  // longer than it lingers
      quiet = Receive() ? 0 : quiet + 1;
    }
  }

  const std::string& expected() const { return expected_; }

  int gaps = 0;

 private:
  const Folder folder_;
  FastClock clock_;
  std::filesystem::file_time_type written_ = std::filesystem::file_time_type::clock::now();
  std::string expected_;
  std::unique_ptr<Spool> spool_;
  std::unique_ptr<SampleSource> source_;
};

}  // namespace

TEST_CASE("a log is received once, however often it is rotated and the receiver killed",
          "[receive]") {
  const auto seed = GENERATE(range(0U, 12U));
  CAPTURE(seed);
  std::mt19937 random(seed);
  Rotated rotated;
  rotated.Write("first");
  rotated.Start();
  rotated.ReceiveAll();  // it begins with the file that is there when it first runs
  for (int i = 0; i < 300; ++i) {
    const uint64_t what = random() % 20;
    if (what < 12) {
      rotated.Write(fmt::format("line {}", i));
    } else if (what < 14 && std::filesystem::exists(rotated.log())) {
      rotated.Rotate();
    } else if (what == 14 && rotated.running()) {
      rotated.Kill();
    } else if (!rotated.running()) {
      rotated.Start();
    } else {
      rotated.Receive();
      if (what == 19) {
        rotated.ReceiveAll();
      }
    }
  }
  if (!rotated.running()) {
    rotated.Start();
  }
  rotated.ReceiveAll();
  CHECK(AllReceived(rotated.spooled()) == rotated.expected());
  CHECK(rotated.gaps == 0);
}

TEST_CASE("a line is received when it is whole, or the file is left", "[receive]") {
  Rotated rotated;
  rotated.Write("one");
  rotated.Start();
  rotated.Append(rotated.log(), "tw");
  rotated.ReceiveAll();
  CHECK(AllReceived(rotated.spooled()) == "one\n");
  rotated.Append(rotated.log(), "o\nthree");
  rotated.ReceiveAll();
  CHECK(AllReceived(rotated.spooled()) == "one\ntwo\n");
  rotated.Rotate();
  rotated.Write("four");
  rotated.ReceiveAll();
  const auto names = SegmentsOf(rotated.spooled());
  REQUIRE(names.size() == 2);
  CHECK(ContentOf(rotated.spooled() + "/" + names[0]) == "one\ntwo\nthree");
  CHECK(ContentOf(rotated.spooled() + "/" + names[1]) == "four\n");
}

TEST_CASE("what is appended to a renamed file is not lost while it is read", "[receive]") {
  Rotated rotated;
  rotated.Write("one");
  rotated.Start();
  rotated.ReceiveAll();
  rotated.Rotate();
  rotated.Receive();
  rotated.Append(rotated.log() + ".1", "late\n");
  rotated.Append(rotated.log(), "two\n");
  rotated.ReceiveAll();
  CHECK(AllReceived(rotated.spooled()) == "one\nlate\ntwo\n");
}

TEST_CASE("a log that was cut or is gone is a gap, and reading goes on", "[receive]") {
  Rotated rotated;
  rotated.Write("a long line that is cut away");
  rotated.Start();
  rotated.ReceiveAll();
  std::filesystem::resize_file(rotated.log(), 0);
  rotated.ReceiveAll();
  rotated.Append(rotated.log(), "new\n");
  rotated.ReceiveAll();
  CHECK(rotated.gaps == 1);
  rotated.Kill();
  // Another file under the name, so that the inode is another one.
  rotated.Append(rotated.log() + "-next", "newer\n");
  std::filesystem::rename(rotated.log() + "-next", rotated.log());
  rotated.Start();
  rotated.ReceiveAll();
  CHECK(rotated.gaps == 2);
  CHECK(AllReceived(rotated.spooled()) == "a long line that is cut away\nnew\nnewer\n");
}

}  // namespace freshet::worker::test
