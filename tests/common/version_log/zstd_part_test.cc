#include "common/version_log/zstd_part.h"

#include <catch2/catch.hpp>
#include <numeric>
#include <random>

#include "common/version_log/part_file.h"
#include "tests/common/version_log/contents.h"
#include "tests/common/version_log/crash_file_system.h"

namespace freshet::test {
namespace {

constexpr char kName[] = "part-0-0.safetensors.zst";
constexpr char kPath[] = "v/part-0-0.safetensors.zst";

struct Part {
  explicit Part(const PartContents& contents) {
    REQUIRE(files.CreateDirectories("v").ok());
    const auto written = WritePart(files, "v", kName, contents);
    INFO(written.status().ToString());
    REQUIRE(written.ok());
    entry = *written;
    bytes = files.Bytes(kPath);
  }

  StatusOr<PartContents> Read(PartColumns columns) { return ReadPart(files, "v", entry, columns); }

  CrashFileSystem files;
  proto::PartFile entry;
  std::string bytes;
};

}  // namespace

TEST_CASE("a compressed part comes back as it was written", "[version_log]") {
  std::mt19937_64 random(GENERATE(range(1U, 20U)));
  const PartContents contents = random() % 4 == 0 ? PolicyContents() : RandomContents(random);
  Part part(contents);
  CHECK(part.entry.bytes() == part.bytes.size());
  const auto all = part.Read(PartColumns::kAll);
  INFO(all.status().ToString());
  REQUIRE(all.ok());
  CHECK(SameContents(*all, contents));
  const auto serving = part.Read(PartColumns::kServing);
  REQUIRE(serving.ok());
  CHECK(SameContents(*serving, ServingView(contents)));
  CHECK(part.Read(PartColumns::kKeys).ok());
}

TEST_CASE("a compressed part is the plain one in a frame", "[version_log]") {
  PartContents contents = SmallContents();
  contents.embeddings[0].keys.resize(20'000);
  const size_t rows = contents.embeddings[0].keys.size();
  std::iota(contents.embeddings[0].keys.begin(), contents.embeddings[0].keys.end(), Key{0});
  contents.embeddings[0].values.assign(rows * contents.embeddings[0].dim, 0.5F);
  contents.embeddings[0].states.assign(rows * contents.embeddings[0].state_dim, 0.1F);
  contents.embeddings[0].frequencies.assign(rows, 1);
  contents.embeddings[0].last_updates.assign(rows, 2);
  Part part(contents);
  const auto plain = WritePart(part.files, "v", "part-0-0.safetensors", contents);
  REQUIRE(plain.ok());
  CHECK(part.entry.plain_bytes() == plain->bytes());
  CHECK(part.entry.header_xxh3() == plain->header_xxh3());
  CHECK(part.entry.bytes() * 4 < plain->bytes());
  const auto file = part.files.OpenReadable(kPath);
  REQUIRE(file.ok());
  const ZstdReader reader(**file, part.entry.plain_bytes());
  std::string read(plain->bytes(), '\0');
  const auto got = reader.ReadAt(0, std::as_writable_bytes(std::span(read)));
  REQUIRE(got.ok());
  CHECK(*got == read.size());
  CHECK(read == part.files.Bytes("v/part-0-0.safetensors"));
  CHECK(reader.CheckWhole(part.entry.bytes(), part.entry.file_xxh3()).ok());
}

TEST_CASE("a compressed part that is damaged in any byte is refused by name", "[version_log]") {
  Part part(GENERATE(false, true) ? PolicyContents() : SmallContents());
  const auto refused = [&] {
    const Status status = part.Read(PartColumns::kAll).status();
    INFO(status.ToString());
    REQUIRE(absl::IsDataLoss(status));
    REQUIRE(MessageOf(status).find(kPath) != std::string::npos);
  };
  for (size_t at = 0; at < part.bytes.size(); ++at) {
    part.files.Bytes(kPath) = part.bytes;
    part.files.Bytes(kPath)[at] = static_cast<char>(part.bytes[at] ^ (1 << (at % 8)));
    INFO("byte " << at);
    refused();
  }
  for (size_t size = 0; size < part.bytes.size(); ++size) {
    part.files.Bytes(kPath) = part.bytes.substr(0, size);
    refused();
    proto::PartFile entry = part.entry;
    entry.set_bytes(size);
    REQUIRE(absl::IsDataLoss(ReadPart(part.files, "v", entry, PartColumns::kAll).status()));
  }
  part.files.Bytes(kPath) = part.bytes;
  for (const uint64_t plain_bytes : {uint64_t{0}, part.entry.plain_bytes() - 1, UINT64_MAX}) {
    part.entry.set_plain_bytes(plain_bytes);
    refused();
  }
}

}  // namespace freshet::test
