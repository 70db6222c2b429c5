// Files of length-delimited messages.
#include <zstd.h>

#include <random>

#include "tests/common/stream/stream_fixture.h"

using freshet::FileStreamOptions;
using freshet::MakeFileStream;
using freshet::MessageOf;
using freshet::Record;
using freshet::test::MemoryFiles;
using freshet::test::OpenAt;
using freshet::test::StoppedClock;
using freshet::test::Taken;
using freshet::test::TakeSoFar;
using freshet::test::TakeToEnd;

namespace {

std::string Varint(uint64_t number) {
  std::string bytes;
  for (; number >= 0x80; number >>= 7U) {
    bytes += static_cast<char>(0x80U | (number & 0x7fU));
  }
  return bytes + static_cast<char>(number);
}

std::string Framed(const std::string& message) {
  return Varint(message.size()) + message;
}

struct Messages {
  explicit Messages(FileStreamOptions options = {}, std::string file_name = "a")
      : name(std::move(file_name)) {
    options.path = "d";
    options.framing = FileStreamOptions::Framing::kMessages;
    files.Append("d/" + name, "");
    stream = MakeFileStream(files, clock, options);
  }

  void Append(const std::string& bytes) { files.Append("d/" + name, bytes); }

  std::unique_ptr<freshet::PartitionReader> At(uint64_t offset) {
    return OpenAt(*stream, name, offset);
  }

  // The error that reading ends with.
  freshet::Status ErrorOfReading() {
    const auto reader = At(0);
    Record record;
    while (true) {
      const auto next = reader->Next(&record);
      if (!next.ok()) {
        return next.status();
      }
      REQUIRE(*next == freshet::ReadResult::kRecord);
    }
  }

  const std::string name;
  MemoryFiles files;
  StoppedClock clock;
  std::unique_ptr<freshet::Stream> stream;
};

struct Made {
  std::string bytes;
  std::vector<Taken> records;
};

Made RandomMessages(std::mt19937& random, size_t count, size_t limit) {
  Made made;
  for (size_t i = 0; i < count; ++i) {
    std::string message;
    for (size_t bytes = random() % 400; message.size() < bytes;) {
      message += static_cast<char>(random());
    }
    made.bytes += Framed(message);
    made.records.push_back({message.size() > limit ? "" : message, made.bytes.size()});
  }
  return made;
}

}  // namespace

TEST_CASE("messages come without their length, at the offset behind them", "[stream]") {
  Messages file;
  file.Append(Framed("ab\n") + Framed("") + Framed(std::string(300, 'x')));
  CHECK(TakeToEnd(*file.At(0)) ==
        std::vector<Taken>{{"ab\n", 4}, {"", 5}, {std::string(300, 'x'), 307}});
  CHECK(TakeToEnd(*file.At(4)) == std::vector<Taken>{{"", 5}, {std::string(300, 'x'), 307}});
  CHECK(TakeToEnd(*file.At(307)).empty());
  CHECK(MessageOf(file.stream->Open("a", 308).status()) ==
        "d/a has 307 bytes, but training stands at byte 308; was it replaced?");
}

TEST_CASE("messages that grow in random pieces are the same ones", "[stream]") {
  const auto seed = GENERATE(take(1, random(1U, 1'000'000'000U)));
  INFO("seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 100; ++round) {
    const Made made = RandomMessages(random, 20, 250);
    Messages file({.follow = true, .max_record_bytes = 250});
    const auto reader = file.At(0);
    std::vector<Taken> taken;
    for (size_t at = 0; at < made.bytes.size();) {
      const size_t bytes = std::min<size_t>(1 + random() % 300, made.bytes.size() - at);
      file.Append(made.bytes.substr(at, bytes));
      at += bytes;
      const auto some = TakeSoFar(*reader);
      taken.insert(taken.end(), some.begin(), some.end());
    }
    REQUIRE(taken == made.records);
    file.files.Append("d/_SUCCESS", "");
    CHECK(TakeToEnd(*reader).empty());
  }
}

TEST_CASE("reading can go on behind any message, also of a compressed file", "[stream]") {
  const auto seed = GENERATE(take(1, random(1U, 1'000'000'000U)));
  INFO("seed " << seed);
  std::mt19937 random(seed);
  const Made made = RandomMessages(random, 100, 250);
  const FileStreamOptions options{.max_record_bytes = 250};
  Messages plain(options);
  plain.Append(made.bytes);
  Messages packed(options, "a.zst");
  std::string zstd(ZSTD_compressBound(made.bytes.size()), '\0');
  zstd.resize(ZSTD_compress(zstd.data(), zstd.size(), made.bytes.data(), made.bytes.size(), 3));
  packed.Append(zstd);
  for (size_t i = 0; i < made.records.size(); ++i) {
    const std::vector<Taken> rest(made.records.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                                  made.records.end());
    REQUIRE(TakeToEnd(*plain.At(made.records[i].end_offset)) == rest);
    REQUIRE(TakeToEnd(*packed.At(made.records[i].end_offset)) == rest);
  }
  CHECK(MessageOf(packed.stream->Open("a.zst", made.bytes.size() + 1).status()).find("shorter") !=
        std::string::npos);
}

TEST_CASE("a message of many buffers that is too long is empty, and ends where it ends",
          "[stream]") {
  Messages file({.max_record_bytes = 4});
  file.Append(Framed("1234") + Framed(std::string(3'000'000, 'x')) + Framed("5"));
  CHECK(TakeToEnd(*file.At(0)) ==
        std::vector<Taken>{{"1234", 5}, {"", 3'000'009}, {"5", 3'000'011}});
}

TEST_CASE("a message that the end of a complete file cuts off is empty", "[stream]") {
  for (const std::string& torn : {Framed("abc").substr(0, 3),
                                  Framed(std::string(300, 'x')).substr(0, 1),
                                  Framed(std::string(9000, 'x')).substr(0, 5000)}) {
    Messages file({.max_record_bytes = 1000});
    file.Append(Framed("ab") + torn);
    CHECK(TakeToEnd(*file.At(0)) == std::vector<Taken>{{"ab", 3}, {"", 3 + torn.size()}});
  }
}

TEST_CASE("a length that is none is an error that says where", "[stream]") {
  for (const std::string& wrong : {std::string(10, '\xff'), Varint(1ULL << 31U)}) {
    Messages file;
    file.Append(Framed("ab") + wrong + std::string(100, 'x'));
    const auto status = file.ErrorOfReading();
    CHECK(absl::IsDataLoss(status));
    CHECK(MessageOf(status).find("d/a: at byte 3 must stand the length") == 0);
  }
}

TEST_CASE("a message that is announced and has not come is waited for", "[stream]") {
  Messages file({.follow = true, .max_record_bytes = 64U << 20U});
  file.Append(Varint(64U << 20U) + "a");
  CHECK(TakeSoFar(*file.At(0)).empty());
  Messages overlong({.follow = true});
  overlong.Append(Varint((1ULL << 31U) - 1) + "a");
  CHECK(TakeSoFar(*overlong.At(0)).empty());
}
