#include <catch2/catch.hpp>
#include <cstring>
#include <string>

#include "common/version_log/checksum.h"
#include "common/version_log/part_file.h"
#include "common/version_log/safetensors.h"
#include "tests/common/version_log/contents.h"
#include "tests/common/version_log/crash_file_system.h"

namespace freshet::test {
namespace {

constexpr char kFolder[] = "v";
constexpr char kName[] = "part-0-0.safetensors";
constexpr char kPath[] = "v/part-0-0.safetensors";

// A part in memory, and how to damage it.
struct Part {
  explicit Part(const PartContents& contents = SmallContents()) {
    REQUIRE(files.CreateDirectories(kFolder).ok());
    const auto written = WritePart(files, kFolder, kName, contents);
    REQUIRE(written.ok());
    entry = *written;
    bytes = files.Bytes(kPath);
    std::memcpy(&header_length, bytes.data(), sizeof(header_length));
  }

  StatusOr<PartContents> Read(PartColumns columns) {
    return ReadPart(files, kFolder, entry, columns);
  }

  // Another header, with its checksum and length made right.
  void ReplaceHeader(const std::string& json) {
    std::string padded = json;
    padded.resize((padded.size() + 7) / 8 * 8, ' ');
    const uint64_t length = padded.size();
    std::string head(sizeof(length), '\0');
    std::memcpy(head.data(), &length, sizeof(length));
    head += padded;
    entry.set_header_xxh3(Xxh3Hex(head));
    files.Bytes(kPath) = head + bytes.substr(8 + header_length);
    entry.set_bytes(files.Bytes(kPath).size());
  }

  std::string Json() const { return bytes.substr(8, header_length); }

  CrashFileSystem files;
  proto::PartFile entry;
  std::string bytes;
  uint64_t header_length = 0;
};

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

TEST_CASE("a part with a flipped bit is refused by name", "[version_log]") {
  Part part(GENERATE(false, true) ? PolicyContents() : SmallContents());
  for (size_t position = 0; position < part.bytes.size(); ++position) {
    std::string damaged = part.bytes;
    damaged[position] = static_cast<char>(damaged[position] ^ (1 << (position % 8)));
    part.files.Bytes(kPath) = damaged;
    const Status status = part.Read(PartColumns::kAll).status();
    INFO("byte " << position << ": " << status.ToString());
    REQUIRE(absl::IsDataLoss(status));
    REQUIRE(MessageOf(status).find(kPath) != std::string::npos);
  }
}

TEST_CASE("a part cut short or with more behind it is refused by name", "[version_log]") {
  Part part;
  for (size_t size = 0; size <= part.bytes.size() + 1; ++size) {
    if (size == part.bytes.size()) {
      continue;
    }
    part.files.Bytes(kPath) = part.bytes;
    part.files.Bytes(kPath).resize(size);
    for (const PartColumns columns : {PartColumns::kAll, PartColumns::kServing}) {
      const Status status = part.Read(columns).status();
      INFO("first " << size << " bytes: " << status.ToString());
      REQUIRE(absl::IsDataLoss(status));
      REQUIRE(MessageOf(status).find(kPath) != std::string::npos);
    }
    // Also when the manifest agrees with the file about its size.
    proto::PartFile entry = part.entry;
    entry.set_bytes(size);
    REQUIRE(absl::IsDataLoss(ReadPart(part.files, kFolder, entry, PartColumns::kAll).status()));
  }
}

TEST_CASE("serving is not disturbed by damage in columns that it does not read", "[version_log]") {
  // Serving columns come first: keys, tombstones, values, dense values, served
  // (docs/formats/part-file.md).
  const PartContents contents = GENERATE(false, true) ? PolicyContents() : SmallContents();
  Part part(contents);
  size_t serving_end = 8 + part.header_length;
  for (const EmbeddingRows& rows : contents.embeddings) {
    serving_end += 8 * (rows.keys.size() + rows.tombstones.size()) + rows.served.size() +
                   (rows.value_type == proto::F32 ? 4 : 2) * rows.values.size();
  }
  serving_end += 4 * contents.dense[0].values.size();
  REQUIRE(serving_end < part.bytes.size());
  for (size_t position = 0; position < part.bytes.size(); ++position) {
    part.files.Bytes(kPath) = part.bytes;
    part.files.Bytes(kPath)[position] = static_cast<char>(part.bytes[position] ^ 0x10);
    const auto read = part.Read(PartColumns::kServing);
    INFO("byte " << position << ": " << read.status().ToString());
    if (position < serving_end) {
      REQUIRE(absl::IsDataLoss(read.status()));
    } else {
      REQUIRE(read.ok());
      REQUIRE(SameContents(*read, ServingView(contents)));
    }
  }
}

TEST_CASE("a damaged tensor is told with its name and both checksums", "[version_log]") {
  Part part;
  std::string& bytes = part.files.Bytes(kPath);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  const DenseTensor bias = SmallContents().dense[0];
  const std::string right = Xxh3Hex(std::as_bytes(std::span(bias.states)));
  const std::string found = Xxh3Hex(std::string_view(bytes).substr(bytes.size() - 16));
  const std::string message = MessageOf(part.Read(PartColumns::kAll).status());
  INFO(message);
  CHECK(message.find("'bias/dense_states'") != std::string::npos);
  CHECK(message.find(right) != std::string::npos);
  CHECK(message.find(found) != std::string::npos);
}

TEST_CASE("a part that is missing, or named to lead elsewhere, is refused", "[version_log]") {
  Part part;
  part.entry.set_name("part-9-9.safetensors");
  CHECK(absl::IsDataLoss(part.Read(PartColumns::kAll).status()));
  part.entry.set_name("../v/part-0-0.safetensors");
  CHECK(absl::IsDataLoss(part.Read(PartColumns::kAll).status()));
}

TEST_CASE("a part with other counts than the manifest says is refused", "[version_log]") {
  Part part;
  SECTION("rows") {
    part.entry.set_rows(5);
  }
  SECTION("tombstones") {
    part.entry.set_tombstones(0);
  }
  CHECK(absl::IsDataLoss(part.Read(PartColumns::kAll).status()));
}

TEST_CASE("a part whose columns contradict each other is refused although its checksums fit",
          "[version_log]") {
  Part part;
  const std::string json = part.Json();
  const auto read = [&](const std::string& header) {
    part.ReplaceHeader(header);
    return part.Read(PartColumns::kAll).status();
  };
  REQUIRE(read(json).ok());
  const std::vector<std::pair<std::string, std::string>> edits = {
      {R"("factors/values":{"dtype":"F32","shape":[3,3])",
       R"("factors/values":{"dtype":"F32","shape":[9,1])"},
      {R"("factors/values":{"dtype":"F32","shape":[3,3])",
       R"("factors/values":{"dtype":"F32","shape":[9])"},
      {R"("factors/values":{"dtype":"F32")", R"("factors/values":{"dtype":"U32")"},
      {R"("factors/keys":{)", R"("other/keys":{)"},
      {R"("factors/values":{)", R"("factors/valued":{)"},
      {R"("factors/frequencies":{)", R"("factors/extra":{)"},
      {R"("factors/keys":{"dtype":"U64","shape":[3])",
       R"("factors/keys":{"dtype":"U64","shape":[3,1])"},
      {R"("bias/dense_values":{)", R"("dense_values":{)"},
      {R"("bias/dense_states":{"dtype":"F32","shape":[4])",
       R"("bias/dense_states":{"dtype":"F32","shape":[2,2])"},
      {R"("xxh3:factors/keys")", R"("xxh3:factors/kexs")"},
      {R"("freshet_part")", R"("freshet_tart")"},
  };
  for (const auto& edit : edits) {
    const Status status = read(Replaced(json, edit.first, edit.second));
    INFO(edit.second << " -> " << status.ToString());
    CHECK(absl::IsDataLoss(status));
  }
  const Status newer = read(Replaced(json, R"("freshet_part":"1")", R"("freshet_part":"4")"));
  CHECK(absl::IsFailedPrecondition(newer));
}

TEST_CASE("columns of feature policies that contradict each other are refused likewise",
          "[version_log]") {
  Part part(PolicyContents());
  const std::string json = part.Json();
  const auto read = [&](const std::string& header) {
    part.ReplaceHeader(header);
    return part.Read(PartColumns::kAll).status();
  };
  REQUIRE(read(json).ok());
  const std::vector<std::pair<std::string, std::string>> edits = {
      {R"("half/values":{"dtype":"F16")", R"("half/values":{"dtype":"U16")"},
      {R"("half/served":{"dtype":"U8","shape":[3])",
       R"("half/served":{"dtype":"U8","shape":[3,1])"},
      {R"("half/shows":{)", R"("half/showz":{)"},
      {R"("half/clicks":{)", R"("half/clickz":{)"},
      {R"("half/clicks":{"dtype":"F32")", R"("half/clicks":{"dtype":"U32")"},
      {R"("half/slots":{"dtype":"U16")", R"("half/slots":{"dtype":"F16")"},
      {R"("half/candidate_keys":{)", R"("half/candidate_keyz":{)"},
      {R"("half/candidate_keys":{"dtype":"U64","shape":[2])",
       R"("half/candidate_keys":{"dtype":"U64","shape":[])"},
      {R"("half/candidate_tombstones":{)", R"("half/candidate_tombstonez":{)"},
      {R"("half/candidate_shows":{)", R"("half/candidate_showz":{)"},
      {R"("half/filter_blocks":{)", R"("half/filter_blockz":{)"},
      {R"("half/filter_counters":{"dtype":"U8","shape":[1,64])",
       R"("half/filter_counters":{"dtype":"U8","shape":[2,32])"},
      {R"("half/clock":{)", R"("half/clack":{)"},
      {R"("half/clock":{"dtype":"U64","shape":[2])",
       R"("half/clock":{"dtype":"U64","shape":[1,2])"},
      {R"("padding":{)", R"("paddink":{)"},
      {R"("xxh3:padding")", R"("xxh3:paddink")"},
  };
  for (const auto& edit : edits) {
    const Status status = read(Replaced(json, edit.first, edit.second));
    INFO(edit.second << " -> " << status.ToString());
    CHECK(absl::IsDataLoss(status));
  }
}

TEST_CASE("served flags other than 0 and 1 are refused although their checksum fits",
          "[version_log]") {
  PartContents contents = PolicyContents();
  Part part(contents);
  const std::string before(contents.embeddings[0].served.begin(),
                           contents.embeddings[0].served.end());
  const std::string after = {1, 0, 2};
  const size_t at = part.bytes.find(before, 8 + part.header_length + 5 * sizeof(Key));
  REQUIRE(at != std::string::npos);
  part.bytes.replace(at, after.size(), after);
  part.ReplaceHeader(Replaced(part.Json(), Xxh3Hex(before), Xxh3Hex(after)));
  for (const PartColumns columns : {PartColumns::kAll, PartColumns::kServing}) {
    const Status status = part.Read(columns).status();
    INFO(status.ToString());
    CHECK(absl::IsDataLoss(status));
    CHECK(MessageOf(status).find("'half/served'") != std::string::npos);
  }
}

TEST_CASE("a header of random damage never does harm, even if its checksum fits", "[version_log]") {
  const uint64_t seed = std::random_device()();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  Part part(GENERATE(false, true) ? PolicyContents() : SmallContents());
  const std::string json = part.Json();
  for (int round = 0; round < 2000; ++round) {
    std::string damaged = json;
    for (uint64_t edits = 1 + random() % 4; edits > 0; --edits) {
      const size_t at = random() % damaged.size();
      switch (random() % 3) {
        case 0:
          damaged[at] = static_cast<char>(random());
          break;
        case 1:
          damaged[at] = static_cast<char>('0' + random() % 10);
          break;
        default:
          damaged.erase(at, 1 + random() % 20);
          damaged.push_back(' ');
      }
    }
    part.ReplaceHeader(damaged);
    const Status status = part.Read(PartColumns::kAll).status();
    INFO(damaged << " -> " << status.ToString());
    REQUIRE((status.ok() || absl::IsDataLoss(status) || absl::IsFailedPrecondition(status)));
  }
}

}  // namespace
}  // namespace freshet::test
