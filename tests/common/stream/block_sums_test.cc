#include "common/stream/block_sums.h"

#include <catch2/catch.hpp>

#include "common/stream/stream.h"
#include "tests/common/cluster/temp_folder.h"
#include "tests/common/forwarding_files.h"
#include "tests/common/stream/memory_files.h"

namespace freshet::test {
namespace {

using Framing = FileStreamOptions::Framing;

constexpr char kPath[] = "d/a";
constexpr char kSumsPath[] = "d/_a.sums";

std::string SumsOf(const std::string& bytes) {
  BlockSums sums;
  sums.Append(bytes);
  return sums.Text(true);
}

struct Outcome {
  std::vector<std::string> records;
  size_t damaged = 0;
  Status error;
};

// What is read of a file with its checksums.
Outcome Read(const std::string& bytes, const std::string& sums, Framing framing = Framing::kLines) {
  MemoryFiles files;
  StoppedClock clock;
  files.Append(kPath, bytes);
  files.Append(kSumsPath, sums);
  const auto stream =
      MakeFileStream(files, clock, {.path = "d", .framing = framing, .block_sums = true});
  Outcome outcome;
  auto reader = stream->Open("a", 0);
  outcome.error = reader.status();
  while (outcome.error.ok()) {
    Record record;
    const auto next = (*reader)->Next(&record);
    outcome.error = next.status();
    if (!next.ok() || *next != ReadResult::kRecord) {
      break;
    }
    outcome.damaged += record.damaged ? 1 : 0;
    if (record.damaged) {
      CHECK(record.bytes.empty());
    } else {
      outcome.records.emplace_back(record.bytes);
    }
  }
  return outcome;
}

// Lines that take so many bytes, or a few more.
std::string Lines(size_t bytes) {
  std::string lines;
  for (int i = 0; lines.size() < bytes; ++i) {
    lines += fmt::format("u{},i{},1\n", i, i * 7);
  }
  return lines;
}

// A file that is replaced by another one as soon as it was looked at.
class ReplacedFiles final : public ForwardingFiles {
 public:
  ReplacedFiles(std::string path, std::string next) : path_(path), next_(std::move(next)) {}

  StatusOr<std::unique_ptr<ReadableFile>> OpenReadable(const std::string& path) override {
    auto opened = LocalFileSystem().OpenReadable(path);
    Replace();
    return opened;
  }

  StatusOr<FileInfo> Stat(const std::string& path) override {
    const auto info = LocalFileSystem().Stat(path);
    Replace();
    return info;
  }

 private:
  void Replace() const { REQUIRE(WriteFileAtomically(LocalFileSystem(), path_, next_).ok()); }

  const std::string path_;
  const std::string next_;
};

TEST_CASE("checksums are whole when they are written anew while somebody reads them", "[stream]") {
  const TempFolder folder;
  const std::string path = folder.path() + "/a";
  const std::string sums_path = BlockSumsPath(path);
  REQUIRE(WriteFileAtomically(LocalFileSystem(), sums_path, SumsOf(Lines(100))).ok());
  ReplacedFiles files(sums_path, SumsOf(Lines(3 * kSumBlockBytes)));
  const auto summed = ReadBlockSums(files, path);
  INFO(summed.status().ToString());
  REQUIRE(summed.ok());
  CHECK(summed->sums.size() == 1);
}

TEST_CASE("training goes on behind a line end that is damaged", "[stream]") {
  const std::string lines = Lines(2 * kSumBlockBytes);
  const size_t offset = lines.find('\n') + 1;
  std::string damaged = lines;
  damaged[offset - 1] = 'x';
  MemoryFiles files;
  StoppedClock clock;
  files.Append(kPath, damaged);
  files.Append(kSumsPath, SumsOf(lines));
  const auto stream = MakeFileStream(files, clock, {.path = "d", .block_sums = true});
  const auto reader = stream->Open("a", offset);
  INFO(reader.status().ToString());
  CHECK(reader.ok());
}

}  // namespace

TEST_CASE("checksums come by block, however bytes are appended", "[stream]") {
  const std::string bytes = Lines(3 * kSumBlockBytes + 100);
  BlockSums sums;
  for (size_t at = 0; at < bytes.size(); at += 1000) {
    sums.Append(std::string_view(bytes).substr(at, 1000));
  }
  CHECK(sums.blocks() == 3);
  CHECK(sums.Text(true) == SumsOf(bytes));
  CHECK(sums.Text(false) == SumsOf(bytes.substr(0, 3 * kSumBlockBytes)));
}

TEST_CASE("checksums are as they always were", "[stream]") {
  CHECK(SumsOf("u1,i1,1\nu2,i2,0\n") == "0000000000000010\ncc53b44680f07750\n89bf2fd1a1933be5\n");
}

TEST_CASE("each bit that flips in a file with checksums is noticed", "[stream]") {
  const std::string bytes = Lines(300);
  const std::string sums = SumsOf(bytes);
  CHECK(Read(bytes, sums).damaged == 0);
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string damaged = bytes;
    damaged[bit / 8] ^= static_cast<char>(1U << (bit % 8));
    const Outcome outcome = Read(damaged, sums);
    REQUIRE(outcome.error.ok());
    REQUIRE(outcome.damaged > 0);
    REQUIRE(outcome.records.empty());  // one block holds them all
  }
}

TEST_CASE("lines that lie in other blocks than the damaged one are read", "[stream]") {
  const std::string bytes = Lines(4 * kSumBlockBytes + 100);
  const std::string sums = SumsOf(bytes);
  const std::vector<std::string> whole = Read(bytes, sums).records;
  const size_t block = GENERATE(range(0, 5));
  const size_t begin = block * kSumBlockBytes;
  const size_t end = std::min(bytes.size(), begin + kSumBlockBytes);
  for (const size_t at : {begin, (begin + end) / 2, end - 1}) {
    for (const char byte : {'\n', 'x'}) {
      std::string damaged = bytes;
      damaged[at] = damaged[at] == byte ? 'y' : byte;
      const Outcome outcome = Read(damaged, sums);
      REQUIRE(outcome.error.ok());
      CHECK(outcome.damaged > 0);
      std::vector<std::string> expected;
      for (size_t from = 0, to = 0; from < bytes.size(); from = to) {
        to = bytes.find('\n', from) + 1;
        if (to <= begin || from > end) {
          expected.push_back(bytes.substr(from, to - from - 1));
        }
      }
      CHECK(outcome.records == expected);
      CHECK(outcome.records.size() < whole.size());
    }
  }
}

TEST_CASE("a message that is damaged is left out, and one whose length is, ends the file",
          "[stream]") {
  // The length of the second one lies in the first block, most of it in the second.
  const std::string first = std::string("\x03one", 4);
  const std::string length = "\x80\x80\x08";  // 128 KiB
  const std::string bytes = first + length + std::string(2 * kSumBlockBytes, 'x') + first;
  const std::string sums = SumsOf(bytes);
  const size_t at = GENERATE(0, 1, 5, 70'000, 131'079, 131'080);
  std::string damaged = bytes;
  damaged[at] ^= 1;
  const Outcome outcome = Read(damaged, sums, Framing::kMessages);
  if (at / kSumBlockBytes == 1) {
    CHECK(outcome.error.ok());
    CHECK(outcome.damaged == 1);
    CHECK(outcome.records == std::vector<std::string>{"one", "one"});
  } else {
    CHECK(absl::IsDataLoss(outcome.error));
    CHECK_THAT(MessageOf(outcome.error), Catch::Contains("d/a"));
    CHECK(outcome.records.size() == (at < kSumBlockBytes ? 0 : 1));
  }
}

TEST_CASE("blocks behind the checksums are read as they are", "[stream]") {
  const std::string bytes = Lines(2 * kSumBlockBytes + 100);
  std::string damaged = bytes;
  damaged[kSumBlockBytes + 5] ^= 1;
  const Outcome outcome = Read(damaged, SumsOf(bytes.substr(0, kSumBlockBytes)));
  CHECK(outcome.error.ok());
  CHECK(outcome.damaged == 0);
}

TEST_CASE("damaged checksums are named, whichever byte it is", "[stream]") {
  const std::string bytes = Lines(2 * kSumBlockBytes);
  const std::string sums = SumsOf(bytes);
  for (size_t at = 0; at < sums.size(); ++at) {
    for (const unsigned bit : {0U, 4U, 5U, 7U}) {
      std::string damaged = sums;
      damaged[at] ^= static_cast<char>(1U << bit);
      const Outcome outcome = Read(bytes, damaged);
      REQUIRE(absl::IsDataLoss(outcome.error));
      REQUIRE_THAT(MessageOf(outcome.error), Catch::Contains(kSumsPath));
    }
    REQUIRE(absl::IsDataLoss(Read(bytes, sums.substr(0, at)).error));
  }
}

TEST_CASE("a file that was cut below its checksums is named", "[stream]") {
  const std::string bytes = Lines(3 * kSumBlockBytes);
  const std::string sums = SumsOf(bytes);
  for (const size_t left : {size_t{0}, size_t{100}, kSumBlockBytes, 2 * kSumBlockBytes + 1}) {
    const Outcome outcome = Read(bytes.substr(0, left), sums);
    CHECK(absl::IsDataLoss(outcome.error));
    CHECK_THAT(MessageOf(outcome.error), Catch::Contains("was cut"));
  }
  const Outcome outcome = Read(bytes.substr(0, bytes.size() - 1), sums);
  CHECK(absl::IsDataLoss(outcome.error));
  // Bytes behind the end are damage like any other.
  CHECK(Read(bytes + "u1,i1,1\n", sums).damaged > 0);
}

}  // namespace freshet::test
