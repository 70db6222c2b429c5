// Compressed files read like plain ones: made by zlib and zstd, cut, grown and damaged.
#include <zlib.h>
#include <zstd.h>

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

std::string Gzip(const std::string& text) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string packed(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

std::string Zstd(const std::string& text) {
  std::string packed(ZSTD_compressBound(text.size()), '\0');
  const size_t size = ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 3);
  REQUIRE(ZSTD_isError(size) == 0);
  packed.resize(size);
  return packed;
}

std::string Pack(const std::string& name, const std::string& text) {
  return name == "a.gz" ? Gzip(text) : Zstd(text);
}

std::string ManyLines() {
  std::string text;
  for (int i = 0; i < 200'000; ++i) {
    text += std::to_string(i * 7919 % 100'003) + "," + std::to_string(i) + "\n";
  }
  return text;
}

struct OneFile {
  explicit OneFile(std::string file_name, bool follow = false) : name(std::move(file_name)) {
    stream = MakeFileStream(files, clock, {.path = "d", .follow = follow});
  }

  void Append(const std::string& bytes) { files.Append("d/" + name, bytes); }

  const std::string name;
  MemoryFiles files;
  StoppedClock clock;
  std::unique_ptr<freshet::Stream> stream;
};

}  // namespace

TEST_CASE("a compressed file has the lines and offsets of its content", "[stream]") {
  const std::string name = GENERATE("a.gz", "a.zst");
  const std::string text = ManyLines();
  OneFile plain("a");
  plain.Append(text);
  OneFile packed(name);
  // In two members, as an appended log has them.
  packed.Append(Pack(name, text.substr(0, 1'000'000)));
  packed.Append(Pack(name, text.substr(1'000'000)));
  const std::vector<Taken> expected = TakeToEnd(*OpenAt(*plain.stream, "a", 0));
  CHECK(expected.size() == 200'000);
  CHECK(TakeToEnd(*OpenAt(*packed.stream, name, 0)) == expected);
  // From the middle.
  const uint64_t offset = expected[123'456].end_offset;
  CHECK(TakeToEnd(*OpenAt(*packed.stream, name, offset)) ==
        std::vector<Taken>(expected.begin() + 123'457, expected.end()));
  CHECK(TakeToEnd(*OpenAt(*packed.stream, name, text.size())).empty());
  CHECK(MessageOf(packed.stream->Open(name, offset + 1).status()).find("no line begins") !=
        std::string::npos);
  CHECK(MessageOf(packed.stream->Open(name, text.size() + 2).status()).find("shorter") !=
        std::string::npos);
}

TEST_CASE("a compressed file is followed as it grows", "[stream]") {
  const std::string name = GENERATE("a.gz", "a.zst");
  OneFile file(name, true);
  const std::string first = Pack(name, "one\ntwo\n");
  file.Append(first.substr(0, 5));
  const auto reader = OpenAt(*file.stream, name, 0);
  CHECK(TakeSoFar(*reader).empty());
  file.Append(first.substr(5));
  CHECK(TakeSoFar(*reader) == std::vector<Taken>{{"one", 4}, {"two", 8}});
  file.Append(Pack(name, "three\n"));
  CHECK(TakeSoFar(*reader) == std::vector<Taken>{{"three", 14}});
  file.files.Append("d/_SUCCESS", "");
  CHECK(TakeToEnd(*reader).empty());
}

TEST_CASE("a compressed file that is cut off or damaged is told by its name", "[stream]") {
  const std::string name = GENERATE("a.gz", "a.zst");
  const std::string whole = Pack(name, ManyLines());
  const auto error = [&](const std::string& bytes) {
    OneFile file(name);
    file.Append(bytes);
    const auto reader = OpenAt(*file.stream, name, 0);
    Record record;
    for (auto next = reader->Next(&record);; next = reader->Next(&record)) {
      if (!next.ok()) {
        return MessageOf(next.status());
      }
      if (*next != freshet::ReadResult::kRecord) {
        return std::string("no error");
      }
    }
  };
  CHECK(error(whole) == "no error");
  CHECK(error(whole.substr(0, whole.size() - 3)).find("a." + name.substr(2) + " ends in the") !=
        std::string::npos);
  std::string damaged = whole;
  damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 0x55);
  CHECK(error(damaged) != "no error");
  CHECK(error("no such thing at all").find(name) != std::string::npos);
}
