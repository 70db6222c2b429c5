#include <random>
#include <utility>

#include "tests/common/stream/stream_fixture.h"

using freshet::FileStreamOptions;
using freshet::MakeFileStream;
using freshet::MessageOf;
using freshet::ReadResult;
using freshet::Record;
using freshet::test::MemoryFiles;
using freshet::test::OpenAt;
using freshet::test::StoppedClock;
using freshet::test::Taken;
using freshet::test::TakeSoFar;
using freshet::test::TakeToEnd;

namespace {

// The folder "d" is followed; its one partition is "a".
struct Followed {
  explicit Followed(FileStreamOptions options = {}) {
    options.path = "d";
    options.follow = true;
    files.Append("d/a", "");
    stream = MakeFileStream(files, clock, options);
  }

  MemoryFiles files;
  StoppedClock clock;
  std::unique_ptr<freshet::Stream> stream;
};

// The lines of a text, cut byte by byte.
std::vector<Taken> SlowLines(const std::string& text, const FileStreamOptions& options) {
  std::vector<Taken> lines;
  std::string line;
  bool header = options.header;
  const auto give_out = [&](uint64_t end_offset) {
    if (!header) {
      lines.push_back({line.size() > options.max_record_bytes ? "" : line, end_offset});
    }
    header = false;
    line.clear();
  };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\n') {
      line += text[i];
      continue;
    }
    if (!line.empty() && line.back() == '\r') {
      line.pop_back();
    }
    give_out(i + 1);
  }
  if (!line.empty()) {
    give_out(text.size());
  }
  return lines;
}

std::string RandomText(std::mt19937& random, size_t bytes) {
  const std::string letters = "ab\r\n\n";
  std::string text;
  for (size_t i = 0; i < bytes; ++i) {
    text += letters[random() % letters.size()];
  }
  return text;
}

}  // namespace

TEST_CASE("a followed file gives whole lines as they come", "[stream]") {
  Followed followed;
  const auto reader = OpenAt(*followed.stream, "a", 0);
  CHECK(TakeSoFar(*reader).empty());
  followed.files.Append("d/a", "on");
  CHECK(TakeSoFar(*reader).empty());
  followed.files.Append("d/a", "e\ntw");
  CHECK(TakeSoFar(*reader) == std::vector<Taken>{{"one", 4}});
  followed.files.Append("d/a", "o\r");
  CHECK(TakeSoFar(*reader).empty());
  followed.files.Append("d/a", "\nthree\n");
  CHECK(TakeSoFar(*reader) == std::vector<Taken>{{"two", 9}, {"three", 15}});
  CHECK_FALSE(*followed.stream->Complete());
}

TEST_CASE("the marker ends a followed stream, with its unfinished line", "[stream]") {
  Followed followed;
  const auto reader = OpenAt(*followed.stream, "a", 0);
  followed.files.Append("d/a", "one\ntwo");
  CHECK(TakeSoFar(*reader) == std::vector<Taken>{{"one", 4}});
  followed.files.Append("d/_SUCCESS", "");
  CHECK(TakeToEnd(*reader) == std::vector<Taken>{{"two", 7}});
  CHECK(TakeToEnd(*reader).empty());
  CHECK(*followed.stream->Complete());
}

TEST_CASE("what is appended between our read and the marker is not lost", "[stream]") {
  Followed followed;
  const auto reader = OpenAt(*followed.stream, "a", 0);
  followed.files.Append("d/a", "one\n");
  CHECK(TakeSoFar(*reader).size() == 1);
  // The reader has seen the end of the file, and asks for the marker only now.
  bool asked = false;
  followed.files.before_stat = [&](const std::string& path) {
    if (path == "d/_SUCCESS" && !std::exchange(asked, true)) {
      followed.files.Append("d/a", "two\nthree");
      followed.files.Append("d/_SUCCESS", "");
    }
  };
  CHECK(TakeToEnd(*reader) == std::vector<Taken>{{"two", 8}, {"three", 13}});
}

TEST_CASE("partitions appear while a stream is followed", "[stream]") {
  Followed followed;
  CHECK(*followed.stream->Partitions() == std::vector<std::string>{"a"});
  followed.files.Append("d/b", "");
  CHECK(*followed.stream->Partitions() == std::vector<std::string>{"a", "b"});
}

TEST_CASE("a file is complete once as many sort behind it as are written at once", "[stream]") {
  MemoryFiles files;
  StoppedClock clock;
  files.Append("d/a.csv", "one\ntwo");
  const auto stream = MakeFileStream(
      files, clock, {.path = "d", .suffix = ".csv", .follow = true, .open_files = 2});
  const auto reader = OpenAt(*stream, "a.csv", 0);
  CHECK(TakeSoFar(*reader) == std::vector<Taken>{{"one", 4}});
  files.Append("d/b.csv", "");
  files.Append("d/c.tmp", "");
  files.Append("d/_d.csv", "");
  clock.now += std::chrono::seconds(1);
  CHECK(TakeSoFar(*reader).empty());
  files.Append("d/c.csv", "");
  clock.now += std::chrono::seconds(1);
  CHECK(TakeToEnd(*reader) == std::vector<Taken>{{"two", 7}});
  CHECK(TakeSoFar(*OpenAt(*stream, "b.csv", 0)).empty());
  CHECK_FALSE(*stream->Complete());
}

TEST_CASE("the marker of a single file stands beside it", "[stream]") {
  MemoryFiles files;
  StoppedClock clock;
  files.Append("d/a", "x\n");
  const auto stream = MakeFileStream(files, clock, {.path = "d/a", .follow = true});
  const auto reader = OpenAt(*stream, "a", 0);
  CHECK(TakeSoFar(*reader).size() == 1);
  CHECK_FALSE(*stream->Complete());
  files.Append("d/_SUCCESS", "");
  CHECK(TakeToEnd(*reader).empty());
  CHECK(*stream->Complete());
}

TEST_CASE("a file that is cut below what was read is an error", "[stream]") {
  Followed followed;
  const auto reader = OpenAt(*followed.stream, "a", 0);
  followed.files.Append("d/a", "one\ntwo\nth");
  CHECK(TakeSoFar(*reader).size() == 2);
  followed.files.Cut("d/a", 9);
  Record record;
  const auto result = reader->Next(&record);
  CHECK(absl::IsFailedPrecondition(result.status()));
  CHECK(MessageOf(result.status()) ==
        "d/a was cut to 9 bytes while it was read, and 10 had been read; files may only grow");
}

TEST_CASE("a file that is replaced or removed while it is read is an error", "[stream]") {
  Followed followed;
  const auto reader = OpenAt(*followed.stream, "a", 0);
  followed.files.Append("d/a", "one\n");
  CHECK(TakeSoFar(*reader).size() == 1);
  Record record;
  SECTION("replaced") {
    followed.files.Replace("d/a", "another, longer one\n");
    CHECK(absl::IsFailedPrecondition(reader->Next(&record).status()));
  }
  SECTION("removed") {
    followed.files.Remove("d/a");
    CHECK(absl::IsNotFound(reader->Next(&record).status()));
  }
}

TEST_CASE("a record tells when the reader saw it", "[stream]") {
  Followed followed;
  const auto reader = OpenAt(*followed.stream, "a", 0);
  followed.files.Append("d/a", "one\ntwo\nth");
  followed.clock.unix_ms = 100;
  Record record;
  REQUIRE(*reader->Next(&record) == ReadResult::kRecord);
  CHECK(record.arrival_ms == 100);
  followed.clock.unix_ms = 200;  // the second line came with the first
  REQUIRE(*reader->Next(&record) == ReadResult::kRecord);
  CHECK(record.arrival_ms == 100);
  REQUIRE(*reader->Next(&record) == ReadResult::kNothingYet);
  followed.files.Append("d/a", "ree\n");
  REQUIRE(*reader->Next(&record) == ReadResult::kRecord);
  CHECK(record.arrival_ms == 200);
}

TEST_CASE("a text that grows in random pieces gives the same lines", "[stream]") {
  const auto seed = GENERATE(take(1, random(1U, 1'000'000'000U)));
  INFO("seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 300; ++round) {
    const std::string text = RandomText(random, random() % 200);
    const FileStreamOptions options{.header = random() % 2 == 0, .max_record_bytes = 5};
    Followed followed(options);
    const auto reader = OpenAt(*followed.stream, "a", 0);
    std::vector<Taken> taken;
    for (size_t at = 0; at < text.size();) {
      const size_t bytes = std::min<size_t>(1 + random() % 12, text.size() - at);
      followed.files.Append("d/a", text.substr(at, bytes));
      at += bytes;
      const auto some = TakeSoFar(*reader);
      taken.insert(taken.end(), some.begin(), some.end());
    }
    followed.files.Append("d/_SUCCESS", "");
    const auto rest = TakeToEnd(*reader);
    taken.insert(taken.end(), rest.begin(), rest.end());
    INFO(text);
    REQUIRE(taken == SlowLines(text, options));
  }
}

TEST_CASE("reading can go on behind any record, and finds the same rest", "[stream]") {
  const auto seed = GENERATE(take(1, random(1U, 1'000'000'000U)));
  INFO("seed " << seed);
  std::mt19937 random(seed);
  const FileStreamOptions options{.path = "d/a", .header = true, .max_record_bytes = 5};
  const std::string text = RandomText(random, 300);
  MemoryFiles files;
  StoppedClock clock;
  files.Append("d/a", text);
  const auto stream = MakeFileStream(files, clock, options);
  const std::vector<Taken> all = TakeToEnd(*OpenAt(*stream, "a", 0));
  CHECK(all == SlowLines(text, options));
  for (size_t i = 0; i < all.size(); ++i) {
    const auto rest = TakeToEnd(*OpenAt(*stream, "a", all[i].end_offset));
    REQUIRE(rest ==
            std::vector<Taken>(all.begin() + static_cast<std::ptrdiff_t>(i) + 1, all.end()));
  }
}
