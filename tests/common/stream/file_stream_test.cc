#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/common/stream/stream_fixture.h"

using freshet::FileStreamOptions;
using freshet::MakeFileStream;
using freshet::MessageOf;
using freshet::test::MemoryFiles;
using freshet::test::OpenAt;
using freshet::test::StoppedClock;
using freshet::test::Taken;
using freshet::test::TakeToEnd;

namespace {

// All records of a file with this text, from `offset` on.
std::vector<Taken> Read(const std::string& text,
                        FileStreamOptions options = {},
                        uint64_t offset = 0) {
  MemoryFiles files;
  StoppedClock clock;
  files.Append("d/a", text);
  options.path = "d/a";
  const auto stream = MakeFileStream(files, clock, options);
  const auto reader = OpenAt(*stream, "a", offset);
  return TakeToEnd(*reader);
}

}  // namespace

TEST_CASE("lines come with the offset behind them", "[stream]") {
  CHECK(Read("").empty());
  CHECK(Read("ab\nc\n") == std::vector<Taken>{{"ab", 3}, {"c", 5}});
  CHECK(Read("\n\na\n") == std::vector<Taken>{{"", 1}, {"", 2}, {"a", 4}});
}

TEST_CASE("lines may end with CRLF, and keep other carriage returns", "[stream]") {
  CHECK(Read("ab\r\nc\rd\n\r\n\re") ==
        std::vector<Taken>{{"ab", 4}, {"c\rd", 8}, {"", 10}, {"\re", 12}});
}

TEST_CASE("a last line without a line end counts when the stream is complete", "[stream]") {
  CHECK(Read("ab\ncd") == std::vector<Taken>{{"ab", 3}, {"cd", 5}});
  CHECK(Read("ab\ncd", {}, 5).empty());
}

TEST_CASE("reading goes on at an offset", "[stream]") {
  CHECK(Read("ab\nc\nd\n", {}, 3) == std::vector<Taken>{{"c", 5}, {"d", 7}});
  CHECK(Read("ab\nc\nd\n", {}, 7).empty());
}

TEST_CASE("a header is skipped at the beginning of a file only", "[stream]") {
  const FileStreamOptions options{.header = true};
  CHECK(Read("x,y\r\n1,2\n3,4\n", options) == std::vector<Taken>{{"1,2", 9}, {"3,4", 13}});
  CHECK(Read("x,y\r\n1,2\n3,4\n", options, 5) == std::vector<Taken>{{"1,2", 9}, {"3,4", 13}});
  CHECK(Read("x,y", options).empty());
  CHECK(Read("", options).empty());
}

TEST_CASE("a line that is too long is empty, and ends where it ends", "[stream]") {
  const FileStreamOptions options{.max_record_bytes = 4};
  CHECK(Read("1234\n12345\n1234\r\n12345\r\nx\n", options) ==
        std::vector<Taken>{{"1234", 5}, {"", 11}, {"1234", 17}, {"", 24}, {"x", 26}});
  CHECK(Read("12345", options) == std::vector<Taken>{{"", 5}});
  CHECK(Read("123456789\nx\n", {.header = true, .max_record_bytes = 4}) ==
        std::vector<Taken>{{"x", 12}});
}

TEST_CASE("a line of many buffers that is too long takes no memory", "[stream]") {
  const std::string huge(3'000'000, 'x');
  const FileStreamOptions options{.max_record_bytes = 1000};
  CHECK(Read("a\n" + huge + "\nb\n", options) ==
        std::vector<Taken>{{"a", 2}, {"", 3'000'003}, {"b", 3'000'005}});
  CHECK(Read("a\n" + huge, options) == std::vector<Taken>{{"a", 2}, {"", 3'000'002}});
  CHECK(Read(huge + "\n") == std::vector<Taken>{{"", 3'000'001}});
  CHECK(Read(huge + "\n", {.max_record_bytes = 3'000'000}) ==
        std::vector<Taken>{{huge, 3'000'001}});
}

TEST_CASE("a partition that is shorter than the offset is refused", "[stream]") {
  MemoryFiles files;
  StoppedClock clock;
  files.Append("d/a", "ab\n");
  const auto stream = MakeFileStream(files, clock, {.path = "d"});
  const auto reader = stream->Open("a", 4);
  CHECK(absl::IsFailedPrecondition(reader.status()));
  CHECK(MessageOf(reader.status()) ==
        "d/a has 3 bytes, but training stands at byte 4; was it replaced?");
}

TEST_CASE("an offset in the middle of a line is refused", "[stream]") {
  MemoryFiles files;
  StoppedClock clock;
  files.Append("d/a", "ab\ncd\n");
  const auto stream = MakeFileStream(files, clock, {.path = "d"});
  CHECK(absl::IsFailedPrecondition(stream->Open("a", 4).status()));
  CHECK(stream->Open("a", 3).ok());
  CHECK(stream->Open("a", 6).ok());
}

TEST_CASE("the files of a folder are partitions, but for hidden and marker names", "[stream]") {
  MemoryFiles files;
  StoppedClock clock;
  for (const char* name :
       {"b.csv", "a.csv", "c.txt", ".a.csv", "_b.csv", "_SUCCESS", "sub/x.csv"}) {
    files.Append(std::string("d/") + name, "x\n");
  }
  const auto all = MakeFileStream(files, clock, {.path = "d"});
  CHECK(*all->Partitions() == std::vector<std::string>{"a.csv", "b.csv", "c.txt"});
  const auto csv = MakeFileStream(files, clock, {.path = "d", .suffix = ".csv"});
  CHECK(*csv->Partitions() == std::vector<std::string>{"a.csv", "b.csv"});
  CHECK(*csv->Complete());
  for (const char* wrong : {"c.txt", "_b.csv", "../d/a.csv", "", "sub/x.csv"}) {
    CHECK(absl::IsInvalidArgument(csv->Open(wrong, 0).status()));
  }
  CHECK(absl::IsNotFound(csv->Open("gone.csv", 0).status()));
}

TEST_CASE("a file whose name is not UTF-8 is refused by name", "[stream]") {
  MemoryFiles files;
  StoppedClock clock;
  files.Append("d/\xc3\xbc.csv", "a\n");
  const auto stream = MakeFileStream(files, clock, {.path = "d", .suffix = ".csv"});
  CHECK(stream->Partitions().value() == std::vector<std::string>{"\xc3\xbc.csv"});
  files.Append("d/\xfc", "no partition\n");
  CHECK(stream->Partitions().ok());
  files.Append("d/b\xfc.csv", "a\n");
  const freshet::Status status = stream->Partitions().status();
  CHECK(absl::IsInvalidArgument(status));
  CHECK(MessageOf(status).find("b\\xfc.csv") != std::string::npos);
}

TEST_CASE("a single file is a stream of one partition", "[stream]") {
  MemoryFiles files;
  StoppedClock clock;
  files.Append("d/a.csv", "x\n");
  const auto stream = MakeFileStream(files, clock, {.path = "d/a.csv"});
  CHECK(*stream->Partitions() == std::vector<std::string>{"a.csv"});
  CHECK(absl::IsInvalidArgument(stream->Open("b.csv", 0).status()));
}

TEST_CASE("a stream whose path is not there says so", "[stream]") {
  MemoryFiles files;
  StoppedClock clock;
  const auto stream = MakeFileStream(files, clock, {.path = "nowhere", .follow = true});
  CHECK(MessageOf(stream->Partitions().status()) == "sample stream: stat nowhere: no such file");
  CHECK(absl::IsNotFound(stream->Complete().status()));
  CHECK(absl::IsNotFound(stream->Open("a", 0).status()));
}

TEST_CASE("real files are read the same way", "[stream]") {
  std::string folder = (std::filesystem::temp_directory_path() / "freshet-stream-XXXXXX").string();
  REQUIRE(::mkdtemp(folder.data()) != nullptr);
  std::ofstream(folder + "/a.csv") << "1\n2\n";
  std::ofstream(folder + "/b.csv") << "3\n";
  {
    const auto stream =
        MakeFileStream(freshet::LocalFileSystem(), freshet::SystemClock(), {.path = folder});
    REQUIRE(*stream->Partitions() == std::vector<std::string>{"a.csv", "b.csv"});
    CHECK(TakeToEnd(*OpenAt(*stream, "a.csv", 2)) == std::vector<Taken>{{"2", 4}});
    CHECK(TakeToEnd(*OpenAt(*stream, "b.csv", 0)) == std::vector<Taken>{{"3", 2}});
  }
  std::filesystem::remove_all(folder);
}
