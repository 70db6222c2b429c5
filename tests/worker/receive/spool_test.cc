#include "worker/receive/spool.h"

#include "tests/common/damage.h"
#include "tests/common/forwarding_files.h"
#include "tests/common/version_log/crash_file_system.h"
#include "tests/worker/receive/spool_fixture.h"

namespace freshet::worker::test {
namespace {

// A disk with room for so many bytes more, as far as appending goes.
class SmallDisk final : public freshet::test::ForwardingFiles {
 public:
  size_t room = 0;

  StatusOr<std::unique_ptr<WritableFile>> OpenWritable(const std::string& path) override {
    FRESHET_ASSIGN_OR_RETURN(std::unique_ptr<WritableFile> file,
                             ForwardingFiles::OpenWritable(path));
    return std::make_unique<File>(*this, std::move(file));
  }

 private:
  class File final : public WritableFile {
   public:
    File(SmallDisk& disk, std::unique_ptr<WritableFile> file)
        : disk_(disk), file_(std::move(file)) {}

    Status Append(std::span<const std::byte> bytes) override {
      const size_t fits = std::min(bytes.size(), disk_.room);
      disk_.room -= fits;
      FRESHET_RETURN_IF_ERROR(file_->Append(bytes.first(fits)));
      return fits == bytes.size() ? absl::OkStatus() : ResourceExhausted("no room");
    }

    Status Sync() override { return file_->Sync(); }

   private:
    SmallDisk& disk_;
    const std::unique_ptr<WritableFile> file_;
  };
};

// A disk on which no file can be created for so many tries.
class NoRoomForFiles final : public freshet::test::ForwardingFiles {
 public:
  int tries = 0;

  StatusOr<std::unique_ptr<WritableFile>> OpenWritable(const std::string& path) override {
    if (path.find(".from") == std::string::npos && tries-- > 0) {
      return ResourceExhausted("no room");
    }
    return ForwardingFiles::OpenWritable(path);
  }
};

}  // namespace

TEST_CASE("a segment ends with a record once it is large enough", "[receive]") {
  const Folder folder;
  const SpoolOptions options{.directory = folder / "s", .segment_bytes = 10};
  const auto spool = OpenSpool(options);
  PutAndWrite(*spool, {.bytes = "one\ntwo\nthr"});
  PutAndWrite(*spool, {.bytes = "ee without end"});
  PutAndWrite(*spool, {.bytes = " yet\nfour"});
  PutAndWrite(*spool, {.bytes = "\n"});
  CHECK(ContentOf(options.directory + "/000000000001") == "one\ntwo\nthree without end yet\n");
  CHECK(ContentOf(options.directory + "/000000000002") == "four\n");
  REQUIRE(spool->Complete().ok());
  CHECK(std::filesystem::exists(options.directory + "/_SUCCESS"));
}

TEST_CASE("partitions take turns, and are all there before one is written", "[receive]") {
  const Folder folder;
  const SpoolOptions options{.directory = folder / "s", .partitions = 3, .segment_bytes = 1000};
  const auto spool = OpenSpool(options);
  PutAndWrite(*spool, {.bytes = "a\n"});
  for (const char* name : {"/000000000001", "/000000000002", "/000000000003"}) {
    CHECK(std::filesystem::exists(options.directory + name));
  }
  for (const char* record : {"b\n", "c\n", "d\n"}) {
    PutAndWrite(*spool, {.bytes = record});
  }
  CHECK(AllReceived(options.directory) == "a\nd\nb\nc\n");
}

TEST_CASE("a new process goes on in new segments, and ends what was complete", "[receive]") {
  const Folder folder;
  const SpoolOptions options{.directory = folder / "s", .segment_bytes = 1000};
  {
    const auto spool = OpenSpool(options);
    PutAndWrite(*spool, {.bytes = "a\n"});
    REQUIRE(spool->Complete().ok());
  }
  const auto spool = OpenSpool(options);
  CHECK(spool->complete());
  REQUIRE(spool->Reopen().ok());
  CHECK_FALSE(spool->complete());
  CHECK_FALSE(std::filesystem::exists(options.directory + "/_SUCCESS"));
  CHECK_FALSE(spool->stood_at().has_value());
  PutAndWrite(*spool, {.bytes = "b\n"});
  CHECK(SegmentsOf(options.directory) == std::vector<std::string>{"000000000001", "000000000002"});
}

TEST_CASE("a spool knows how far a file was received, up to a whole line", "[receive]") {
  const Folder folder;
  const SpoolOptions options{.directory = folder / "s", .segment_bytes = 8};
  {
    const auto spool = OpenSpool(options);
    PutAndWrite(*spool, {.bytes = "12345678\n", .position = LogPosition{7, 100}});
    PutAndWrite(*spool, {.bytes = "a\nb\nc", .position = LogPosition{7, 109}});  // splits
  }
  // "c" may be half a line.
  CHECK(OpenSpool(options)->stood_at() == LogPosition{7, 113});
  {
    const auto spool = OpenSpool(options);
    PutAndWrite(*spool, {.bytes = "x\n", .position = LogPosition{8, 0}, .begins_file = true});
  }
  CHECK(OpenSpool(options)->stood_at() == LogPosition{8, 2});
}

TEST_CASE("a spool knows how far each of the last files was received", "[receive]") {
  const Folder folder;
  const SpoolOptions options{.directory = folder / "s", .segment_bytes = 8};
  {
    const auto spool = OpenSpool(options);
    for (uint64_t inode = 1; inode <= 70; ++inode) {
      PutAndWrite(*spool,
                  {.bytes = "12345678\n", .position = LogPosition{inode, 0}, .begins_file = true});
      PutAndWrite(*spool, {.bytes = "a\nb", .position = LogPosition{inode, 9}});
    }
  }
  const auto spool = OpenSpool(options);
  REQUIRE(spool->marks().size() == LogMark::kMostRemembered);
  for (size_t i = 0; i < LogMark::kMostRemembered; ++i) {
    CHECK(spool->marks()[i].position == LogPosition{7 + i, 11});
    CHECK(spool->marks()[i].before == "12345678\na\n");
  }
}

TEST_CASE("damage to how far a file was received is noticed and named", "[receive]") {
  using freshet::test::Damage;
  const Damage damage = GENERATE(freshet::test::FlipBit,
                                 freshet::test::Truncate,
                                 freshet::test::ZeroBlock,
                                 freshet::test::SwapBlocks,
                                 freshet::test::AppendBytes);
  const uint64_t seed = std::random_device()();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  const Folder folder;
  const SpoolOptions options{.directory = folder / "s", .segment_bytes = 1000};
  {
    const auto spool = OpenSpool(options);
    PutAndWrite(*spool, {.bytes = "12345678\n", .position = LogPosition{7'654'321, 100}});
  }
  const std::string path = options.directory + "/_000000000001.from";
  const std::string whole = ContentOf(path);
  for (int round = 0; round < 200; ++round) {
    const std::string damaged = damage(whole, random);
    if (damaged == whole) {
      continue;
    }
    std::ofstream(path, std::ios::trunc | std::ios::binary) << damaged;
    INFO(damaged);
    const Status status = Spool::Open(LocalFileSystem(), SystemClock(), options).status();
    REQUIRE(absl::IsDataLoss(status));
    REQUIRE_THAT(MessageOf(status), Catch::Contains(path));
  }
  // As the message says, and as it was written before there were checksums.
  std::ofstream(path, std::ios::trunc | std::ios::binary) << "7654321 100\n";
  CHECK(OpenSpool(options)->stood_at() == LogPosition{7'654'321, 109});
  std::filesystem::remove(path);
  CHECK_FALSE(OpenSpool(options)->stood_at().has_value());
}

TEST_CASE("a folder has one receiver, and nothing but what it received", "[receive]") {
  const Folder folder;
  const SpoolOptions options{.directory = folder / "s", .segment_bytes = 1000};
  {
    const auto spool = OpenSpool(options);
    const auto second = Spool::Open(LocalFileSystem(), SystemClock(), options);
    CHECK(absl::IsFailedPrecondition(second.status()));
    CHECK_THAT(MessageOf(second.status()), Catch::Contains("another process"));
  }
  AppendTo(options.directory + "/clicks.csv", "x\n");
  const auto spool = Spool::Open(LocalFileSystem(), SystemClock(), options);
  CHECK_THAT(MessageOf(spool.status()), Catch::Contains("clicks.csv"));
}

TEST_CASE("what a full disk does not take is written later, once", "[receive]") {
  const auto seed = GENERATE(range(0U, 30U));
  CAPTURE(seed);
  std::mt19937 random(seed);
  const Folder folder;
  const SpoolOptions options{.directory = folder / "s", .segment_bytes = 50 + random() % 300};
  SmallDisk disk;
  const auto spool = OpenSpool(options, disk);
  std::string expected;
  for (int i = 0; i < 100; ++i) {
    std::string bytes;
    for (unsigned line = 0; line <= random() % 5; ++line) {
      bytes += fmt::format("line {} {}\n", i, line);
    }
    expected += bytes;
    spool->Put({.bytes = bytes});
    while (true) {
      const Status status = spool->Write();
      if (status.ok()) {
        break;
      }
      REQUIRE(absl::IsResourceExhausted(status));
      disk.room = random() % 40;
    }
  }
  CHECK(AllReceived(options.directory) == expected);
  for (const std::string& name : SegmentsOf(options.directory)) {
    CHECK(ContentOf(options.directory + "/" + name).back() == '\n');
  }
}

TEST_CASE("segments that are too old are deleted, but for the open ones", "[receive]") {
  const Folder folder;
  const SpoolOptions options{.directory = folder / "s", .segment_bytes = 1, .keep_ms = 3'600'000};
  const auto spool = OpenSpool(options);
  for (int i = 0; i < 3; ++i) {
    PutAndWrite(*spool, {.bytes = "x\n", .position = LogPosition{1, 2U * i}});
  }
  const auto old = std::filesystem::file_time_type::clock::now() - std::chrono::hours(2);
  for (const std::string& name : SegmentsOf(options.directory)) {
    std::filesystem::last_write_time(options.directory + "/" + name, old);
  }
  REQUIRE(spool->KeepHouse().ok());
  CHECK(SegmentsOf(options.directory).size() == 1);
  CHECK_FALSE(std::filesystem::exists(options.directory + "/_000000000001.from"));
}

TEST_CASE("the newest segment stays, however old, so that who comes next knows where it stood",
          "[receive]") {
  const Folder folder;
  const SpoolOptions options{.directory = folder / "s", .segment_bytes = 1, .keep_ms = 3'600'000};
  {
    const auto spool = OpenSpool(options);
    for (uint64_t i = 0; i < 3; ++i) {
      PutAndWrite(*spool, {.bytes = "x\n", .position = LogPosition{1, 2 * i}});
    }
  }
  const auto old = std::filesystem::file_time_type::clock::now() - std::chrono::hours(2);
  for (const std::string& name : SegmentsOf(options.directory)) {
    std::filesystem::last_write_time(options.directory + "/" + name, old);
  }
  REQUIRE(OpenSpool(options)->KeepHouse().ok());
  CHECK(SegmentsOf(options.directory) == std::vector<std::string>{"000000000002"});
  CHECK(OpenSpool(options)->stood_at() == LogPosition{1, 6});
}

TEST_CASE("what a killed process has not synced is safe once the next one has started",
          "[receive]") {
  const Folder folder;
  const SpoolOptions options{.directory = folder / "s", .segment_bytes = 1000};
  std::filesystem::create_directories(options.directory);  // on disk lies its lock
  freshet::test::CrashFileSystem files;
  PutAndWrite(*OpenSpool(options, files), {.bytes = "a\n", .position = LogPosition{1, 0}});
  CHECK(OpenSpool(options, files)->stood_at() == LogPosition{1, 2});
  const auto seed = GENERATE(range(0U, 20U));
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  files.Crash(random);
  CHECK(files.Bytes(options.directory + "/000000000001") == "a\n");
}

TEST_CASE("a segment for which there is no room leaves nothing behind at each try", "[receive]") {
  const Folder folder;
  const SpoolOptions options{.directory = folder / "s", .segment_bytes = 1000};
  NoRoomForFiles files;
  const auto spool = OpenSpool(options, files);
  files.tries = 5;
  spool->Put({.bytes = "a\n", .position = LogPosition{1, 0}});
  for (int i = 0; i < 5; ++i) {
    REQUIRE(absl::IsResourceExhausted(spool->Write()));
  }
  REQUIRE(spool->Write().ok());
  CHECK(*files.List(options.directory) ==
        std::vector<std::string>{".receiver.lock", "000000000001", "_000000000001.from"});
}

TEST_CASE("of segments without checksums, as older programs leave them, the newest gets them",
          "[receive]") {
  const Folder folder;
  const SpoolOptions options{.directory = folder / "s", .segment_bytes = 100};
  std::filesystem::create_directories(options.directory);
  for (const std::string name : {"000000000001", "000000000002", "000000000003"}) {
    AppendTo(options.directory + "/" + name, "a line\n");
  }
  OpenSpool(options);
  for (const std::string name : {"000000000001", "000000000002", "000000000003"}) {
    CHECK(std::filesystem::exists(BlockSumsPath(options.directory + "/" + name)) ==
          (name == "000000000003"));
  }
}

TEST_CASE("segments that are ended have checksums, those of a killed process from the next one",
          "[receive]") {
  const Folder folder;
  const SpoolOptions options{
      .directory = folder / "s", .partitions = 2, .segment_bytes = 100, .keep_ms = 3'600'000};
  const std::string long_line = std::string(2 * kSumBlockBytes, 'x') + "\n";
  const auto sums_of = [&](const std::string& name) {
    const auto sums = ReadBlockSums(LocalFileSystem(), options.directory + "/" + name);
    REQUIRE(sums.ok());
    return sums->sums.size();
  };
  {
    const auto spool = OpenSpool(options);
    PutAndWrite(*spool, {.bytes = long_line});
    CHECK(sums_of("000000000001") == 0);
    REQUIRE(spool->KeepHouse().ok());
    CHECK(sums_of("000000000001") == 2);
    PutAndWrite(*spool, {.bytes = "a\n"});  // full: goes to the second one, which is ended with it
    CHECK(sums_of("000000000001") == 3);
    CHECK(sums_of("000000000002") == 1);
    PutAndWrite(*spool, {.bytes = "b\n"});
    PutAndWrite(*spool, {.bytes = "c\n"});
  }
  CHECK(sums_of("000000000003") + sums_of("000000000004") == 0);
  { const auto spool = OpenSpool(options); }
  CHECK(sums_of("000000000003") == 1);
  CHECK(sums_of("000000000004") == 1);
  const auto old = std::filesystem::file_time_type::clock::now() - std::chrono::hours(2);
  for (const std::string& name : SegmentsOf(options.directory)) {
    std::filesystem::last_write_time(options.directory + "/" + name, old);
  }
  REQUIRE(OpenSpool(options)->KeepHouse().ok());
  CHECK_FALSE(std::filesystem::exists(options.directory + "/_000000000001.sums"));
  CHECK(std::filesystem::exists(options.directory + "/_000000000004.sums"));
}

TEST_CASE("checksums that somebody left behind are not those of a new segment", "[receive]") {
  const Folder folder;
  const SpoolOptions options{.directory = folder / "s", .segment_bytes = 1000};
  {
    const auto spool = OpenSpool(options);
    PutAndWrite(*spool, {.bytes = "a\n"});
    REQUIRE(spool->Complete().ok());
  }
  std::filesystem::remove(options.directory + "/000000000001");
  const auto spool = OpenSpool(options);
  PutAndWrite(*spool, {.bytes = "b\n"});
  CHECK_FALSE(std::filesystem::exists(options.directory + "/_000000000001.sums"));
}

TEST_CASE("a newest segment that was cut is gone on from as it is", "[receive]") {
  const Folder folder;
  const SpoolOptions options{.directory = folder / "s", .segment_bytes = 1U << 20U};
  std::string text;
  while (text.size() < kSumBlockBytes + 100) {
    text += "a line\n";
  }
  {
    const auto spool = OpenSpool(options);
    PutAndWrite(*spool, {.bytes = text, .position = LogPosition{1, 0}});
    REQUIRE(spool->KeepHouse().ok());
  }
  const std::string path = options.directory + "/000000000001";
  const size_t left = GENERATE(size_t{0}, size_t{700}, kSumBlockBytes, kSumBlockBytes + 50);
  std::filesystem::resize_file(path, left);
  const auto spool = OpenSpool(options);
  CHECK(spool->stood_at() == LogPosition{1, left - left % 7});
  const auto stream = MakeFileStream(
      LocalFileSystem(), SystemClock(), {.path = options.directory, .block_sums = true});
  const auto reader = stream->Open("000000000001", 0);
  REQUIRE(reader.ok());
  Record record;
  size_t lines = 0;
  while ((*reader)->Next(&record).value() == ReadResult::kRecord) {
    CHECK_FALSE(record.damaged);
    ++lines;
  }
  CHECK(lines == (left + 6) / 7);
}

}  // namespace freshet::worker::test
