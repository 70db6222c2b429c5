#include "common/version_log/part_file.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>

#include "common/version_log/safetensors.h"
#include "tests/common/version_log/contents.h"

namespace freshet::test {
namespace {

constexpr char kName[] = "part-0-0.safetensors";

proto::PartFile Write(const TemporaryDirectory& directory, const PartContents& contents) {
  const auto part = WritePart(LocalFileSystem(), directory.path(), kName, contents);
  INFO(part.status().ToString());
  REQUIRE(part.ok());
  return *part;
}

StatusOr<PartContents> Read(const TemporaryDirectory& directory,
                            const proto::PartFile& part,
                            PartColumns columns = PartColumns::kAll) {
  return ReadPart(LocalFileSystem(), directory.path(), part, columns);
}

TEST_CASE("a part comes back as it was written, and says what it holds", "[version_log]") {
  const TemporaryDirectory directory;
  const PartContents contents = SmallContents();
  const proto::PartFile part = Write(directory, contents);
  CHECK(part.name() == kName);
  CHECK(part.rows() == 4);
  CHECK(part.tombstones() == 2);
  CHECK(part.bytes() == std::filesystem::file_size(directory.path() + "/" + kName));
  const auto all = Read(directory, part);
  INFO(all.status().ToString());
  REQUIRE(all.ok());
  CHECK(SameContents(*all, contents));
  const auto serving = Read(directory, part, PartColumns::kServing);
  REQUIRE(serving.ok());
  CHECK(SameContents(*serving, ServingView(contents)));
}

TEST_CASE("values of 16 bits and the columns of feature policies come back", "[version_log]") {
  const TemporaryDirectory directory;
  const PartContents contents = PolicyContents();
  const proto::PartFile part = Write(directory, contents);
  CHECK(part.rows() == 4);
  CHECK(part.tombstones() == 1);
  const auto all = Read(directory, part);
  INFO(all.status().ToString());
  REQUIRE(all.ok());
  CHECK(SameContents(*all, contents));
  const auto serving = Read(directory, part, PartColumns::kServing);
  REQUIRE(serving.ok());
  CHECK(serving->embeddings[0].served == std::vector<uint8_t>{1, 0, 1});
  CHECK(serving->embeddings[0].lives.empty());
  CHECK(serving->embeddings[0].candidates.keys.empty());
  CHECK(serving->embeddings[0].filter.blocks.empty());
  CHECK(SameContents(*serving, ServingView(contents)));
}

SafetensorsHeader HeaderOf(const std::string& bytes) {
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof(length));
  const auto header = ParseSafetensorsHeader(bytes.substr(8, length), bytes.size() - 8 - length);
  REQUIRE(header.ok());
  return *header;
}

TEST_CASE("every tensor is aligned, and what serving reads comes first", "[version_log]") {
  const uint64_t seed = std::random_device()();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  const TemporaryDirectory directory;
  for (int round = 0; round < 200; ++round) {
    Write(directory, round == 0 ? PolicyContents() : RandomContents(random));
    const SafetensorsHeader header = HeaderOf(ReadBytes(directory.path() + "/" + kName));
    bool others = false;
    for (const TensorInfo& tensor : header.tensors) {
      INFO(tensor.name << " at " << tensor.begin);
      REQUIRE(tensor.begin % BytesPerElement(tensor.type) == 0);
      const std::string column = tensor.name.substr(tensor.name.rfind('/') + 1);
      const std::string variable = tensor.name.substr(0, tensor.name.size() - column.size());
      const bool beside = std::any_of(
          header.tensors.begin(), header.tensors.end(), [&variable](const TensorInfo& other) {
            return other.name == variable + "serving_values";
          });
      const bool served = column == "keys" || column == "tombstones" || column == "served" ||
                          column == "dense_values" || column == "serving_values" ||
                          column == "serving_scales" || (column == "values" && !beside);
      REQUIRE(!(served && others));
      others = others || !served;
    }
  }
}

TEST_CASE("a part has the number of the oldest format that can say it", "[version_log]") {
  const TemporaryDirectory directory;
  const auto format_of = [&](const PartContents& contents) {
    Write(directory, contents);
    return HeaderOf(ReadBytes(directory.path() + "/" + kName)).metadata["freshet_part"];
  };
  CHECK(format_of(SmallContents()) == "1");
  CHECK(format_of(PolicyContents()) == "2");
  PartContents contents = SmallContents();
  EmbeddingRows& rows = contents.embeddings[0];
  SECTION("values of 16 bits") {
    rows.value_type = proto::BF16;
    rows.values.assign(rows.values.size(), 1.0F);
  }
  SECTION("served flags") {
    rows.served = {1, 1, 1};
  }
  SECTION("lives") {
    rows.lives.resize(3);
  }
  SECTION("a candidate that is none any more") {
    rows.candidates.tombstones = {1};
  }
  SECTION("filter blocks") {
    rows.filter = {.blocks = {0}, .counters = std::vector<uint8_t>(64)};
  }
  SECTION("a clock") {
    rows.clock.step = 1;
  }
  CHECK(format_of(contents) == "2");
}

TEST_CASE("random contents come back bit for bit", "[version_log]") {
  const uint64_t seed = std::random_device()();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  const TemporaryDirectory directory;
  for (int round = 0; round < 200; ++round) {
    const PartContents contents = RandomContents(random);
    const proto::PartFile part = Write(directory, contents);
    const auto all = Read(directory, part);
    INFO(all.status().ToString());
    REQUIRE(all.ok());
    REQUIRE(SameContents(*all, contents));
    const auto serving = Read(directory, part, PartColumns::kServing);
    REQUIRE(serving.ok());
    REQUIRE(SameContents(*serving, ServingView(contents)));
  }
}

TEST_CASE("columns that do not fit each other are refused before a file is made", "[version_log]") {
  const TemporaryDirectory directory;
  PartContents contents = SmallContents();
  SECTION("too few values") {
    contents.embeddings[0].values.pop_back();
  }
  SECTION("too many states") {
    contents.embeddings[0].states.push_back(1.0F);
  }
  SECTION("no dim") {
    contents.embeddings[1].dim = 0;
    contents.embeddings[1].values.clear();
  }
  SECTION("frequencies missing") {
    contents.embeddings[0].frequencies.clear();
  }
  SECTION("last updates missing") {
    contents.embeddings[0].last_updates.clear();
  }
  SECTION("a dense shape of other size") {
    contents.dense[0].shape = {5};
  }
  SECTION("a variable twice") {
    contents.embeddings[1].variable = "factors";
  }
  SECTION("too few lives") {
    contents.embeddings[0].lives.resize(2);
  }
  SECTION("too many served flags") {
    contents.embeddings[0].served = {1, 1, 1, 1};
  }
  SECTION("a served flag that is none") {
    contents.embeddings[0].served = {0, 1, 2};
  }
  SECTION("a candidate without last update") {
    contents.embeddings[0].candidates.keys = {1};
    contents.embeddings[0].candidates.frequencies = {1};
  }
  SECTION("a candidate with two lives") {
    contents.embeddings[0].candidates.keys = {1};
    contents.embeddings[0].candidates.frequencies = {1};
    contents.embeddings[0].candidates.last_updates = {1};
    contents.embeddings[0].candidates.lives.resize(2);
  }
  SECTION("half a filter block") {
    contents.embeddings[0].filter = {.blocks = {1}, .counters = std::vector<uint8_t>(32)};
  }
  SECTION("a value that is no F16") {
    contents.embeddings[0].value_type = proto::F16;
  }
  SECTION("a value that is no BF16") {
    contents.embeddings[0].value_type = proto::BF16;
  }
  SECTION("a value type that nobody knows") {
    contents.embeddings[0].value_type = static_cast<proto::ValueType>(9);
  }
  SECTION("a name that is not UTF-8") {
    contents.embeddings[1].variable = "\xff";
  }
  const auto part = WritePart(LocalFileSystem(), directory.path(), kName, contents);
  INFO(part.status().ToString());
  CHECK(absl::IsInvalidArgument(part.status()));
  CHECK(std::filesystem::is_empty(directory.path()));
}

TEST_CASE("a value that its type cannot hold is told with its key", "[version_log]") {
  const TemporaryDirectory directory;
  PartContents contents = PolicyContents();
  contents.embeddings[1].values[2] = 1.0001F;
  const auto part = WritePart(LocalFileSystem(), directory.path(), kName, contents);
  CHECK(MessageOf(part.status()) ==
        directory.path() + "/" + kName +
            ": variable 'brain': value 2 of key 0000000000000015 is 1.0001, which is no BF16");
}

}  // namespace
}  // namespace freshet::test
