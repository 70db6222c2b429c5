#include <functional>
#include <utility>

#include "tests/common/forwarding_files.h"
#include "tests/common/version_log/crash_file_system.h"
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
        MakeLogSource(LocalFileSystem(), clock_, log(), spool_->marks(), spool_->stood_at_ns());
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

// A log on a disk that gives inodes again, and its receiver without what is kept of it.
class InMemory {
 public:
  InMemory() {
    REQUIRE(disk.CreateDirectories("var").ok());
    disk.reuses_inodes = true;
  }

  // Each write has a time of its own.
  void Append(const std::string& name, const std::string& text) {
    ++disk.now_ns;
    disk.Append("var/" + name, text);
  }

  void Rename(const std::string& from, const std::string& to) {
    REQUIRE(disk.Rename("var/" + from, "var/" + to).ok());
  }

  void Remove(const std::string& name) {
    REQUIRE(disk.RemoveAll("var/" + name).ok());
    REQUIRE(disk.SyncDirectory("var").ok());
  }

  LogMark MarkOf(const std::string& name) {
    const std::string& text = disk.Bytes("var/" + name);
    return {.position = {.inode = disk.Stat("var/" + name)->inode, .offset = text.size()},
            .before = text};
  }

  void Start(std::vector<LogMark> marks = {}) {
    source_ = MakeLogSource(disk, clock, "var/log", std::move(marks), marks.empty() ? 0 : 1);
  }

  std::string Receive() {
    auto received = source_->Receive(milliseconds(5));
    REQUIRE(received.ok());
    gaps += received->gap ? 1 : 0;
    return received->bytes;
  }

  std::string ReceiveAll() {
    std::string all;
    for (int quiet = 0; quiet < 1000; ++quiet) {
      const std::string some = Receive();
      quiet = some.empty() ? quiet : 0;
      all += some;
    }
    return all;
  }

  freshet::test::CrashFileSystem disk;
  FastClock clock;
  int gaps = 0;

 private:
  std::unique_ptr<SampleSource> source_;
};

// The machine's disk, on which something happens right before a file is opened.
class RotatedMeanwhile final : public freshet::test::ForwardingFiles {
 public:
  std::function<void()> before_open;

  StatusOr<std::unique_ptr<ReadableFile>> OpenReadable(const std::string& path) override {
    if (before_open) {
      std::exchange(before_open, nullptr)();
    }
    return ForwardingFiles::OpenReadable(path);
  }
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
  CHECK(ContentOf(rotated.spooled() + "/" + names[0]) == "one\ntwo\nthree\n");
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

TEST_CASE("an unfinished last line is received once, whenever the receiver is killed",
          "[receive]") {
  Rotated rotated;
  rotated.Write("one");
  rotated.Append(rotated.log(), "two");
  rotated.Start();
  rotated.ReceiveAll();
  rotated.Rotate();
  rotated.Append(rotated.log(), "");
  rotated.ReceiveAll();
  for (int i = 0; i < 2; ++i) {
    rotated.Kill();
    rotated.Start();
    rotated.ReceiveAll();
    CHECK(AllReceived(rotated.spooled()) == "one\ntwo\n");
  }
  rotated.Write("three");
  rotated.ReceiveAll();
  CHECK(AllReceived(rotated.spooled()) == "one\ntwo\nthree\n");
  CHECK(rotated.gaps == 0);
}

TEST_CASE("a quiet log that is renamed is followed for a while all the same", "[receive]") {
  InMemory log;
  log.Append("log", "one\n");
  log.Start();
  CHECK(log.ReceiveAll() == "one\n");
  log.Rename("log", "log.1");
  log.Append("log", "");
  CHECK(log.Receive().empty());
  log.Append("log.1", "late\n");
  log.Append("log", "two\n");
  CHECK(log.ReceiveAll() == "late\ntwo\n");
}

TEST_CASE("a log that was renamed is followed until there is another one", "[receive]") {
  InMemory log;
  log.Append("log", "one\n");
  log.Start();
  CHECK(log.ReceiveAll() == "one\n");
  log.Rename("log", "log.1");
  CHECK(log.ReceiveAll().empty());
  log.Append("log.1", "late\n");
  CHECK(log.ReceiveAll() == "late\n");
  log.Append("log", "two\n");
  CHECK(log.ReceiveAll() == "two\n");
}

TEST_CASE("a file with the inode of one that is gone is a new one", "[receive]") {
  InMemory log;
  const std::string first = GENERATE("one\n", "");
  log.Append("log", first);
  log.Start();
  CHECK(log.ReceiveAll() == first);
  const uint64_t inode = log.disk.Stat("var/log")->inode;
  log.Rename("log", "log.1");
  log.Append("log", "two\n");
  CHECK(log.ReceiveAll() == "two\n");
  log.Remove("log.1");
  log.Rename("log", "log.1");
  log.Append("log", "three\n");
  REQUIRE(log.disk.Stat("var/log")->inode == inode);
  CHECK(log.ReceiveAll() == "three\n");
  CHECK(log.gaps == 0);
}

TEST_CASE("a receiver that was away knows a file with the same inode from the one it read",
          "[receive]") {
  InMemory log;
  log.Append("log", "one\ntwo\n");
  const LogMark mark = log.MarkOf("log");
  SECTION("which goes on") {
    log.Append("log", "three\n");
    log.Start({mark});
    CHECK(log.ReceiveAll() == "three\n");
    CHECK(log.gaps == 0);
  }
  SECTION("which is another one, or was cut and has grown again") {
    log.disk.Bytes("var/log").clear();
    log.Append("log", "three\nfour\nfive\n");
    log.Start({mark});
    CHECK(log.ReceiveAll() == "three\nfour\nfive\n");
    CHECK(log.gaps == 1);
  }
}

TEST_CASE("a file that was read before is known again, however late it was written to",
          "[receive]") {
  InMemory log;
  log.Append("log", "one\n");
  log.Rename("log", "log.1");
  log.Append("log", "two\n");
  log.Append("log.1", "late\n");
  log.Start({log.MarkOf("log.1"), log.MarkOf("log")});
  log.Rename("log.1", "log.2");
  log.Rename("log", "log.1");
  log.Append("log", "three\n");
  CHECK(log.ReceiveAll() == "three\n");
  CHECK(log.gaps == 0);
}

TEST_CASE("a file that was compressed is not read again, by whatever", "[receive]") {
  const std::string end = GENERATE(".gz", ".zst", ".xz", ".bz2");
  InMemory log;
  log.Append("log", "one\n");
  log.Start();
  CHECK(log.ReceiveAll() == "one\n");
  log.Rename("log", "log.1");
  log.disk.Append("var/log.1" + end, "\x1f\x8b\n");  // as old as what it was made of
  log.Remove("log.1");
  log.Append("log", "two\n");
  CHECK(log.ReceiveAll() == "two\n");
}

TEST_CASE("a log that is rotated while it is being opened is received once", "[receive]") {
  const Folder folder;
  const std::string log = folder / "log";
  AppendTo(log, "one\n");
  RotatedMeanwhile files;
  files.before_open = [&log] {
    std::filesystem::rename(log, log + ".1");
    AppendTo(log, "two\n");
  };
  FastClock clock;
  const auto from_before = GENERATE(false, true);
  std::vector<LogMark> marks;
  if (from_before) {
    marks = {
        {.position = {.inode = LocalFileSystem().Stat(log)->inode, .offset = 0}, .before = ""}};
  }
  const auto source = MakeLogSource(files, clock, log, marks, from_before ? 1 : 0);
  std::string all;
  for (int i = 0; i < 1000; ++i) {
    const auto received = source->Receive(milliseconds(5));
    REQUIRE(received.ok());
    CHECK_FALSE(received->gap);
    all += received->bytes;
  }
  CHECK(all == (from_before ? "one\ntwo\n" : "two\n"));
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
