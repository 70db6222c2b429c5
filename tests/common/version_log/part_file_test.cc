#include "common/version_log/part_file.h"

#include <catch2/catch.hpp>

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
  SECTION("a name that is not UTF-8") {
    contents.embeddings[1].variable = "\xff";
  }
  const auto part = WritePart(LocalFileSystem(), directory.path(), kName, contents);
  INFO(part.status().ToString());
  CHECK(absl::IsInvalidArgument(part.status()));
  CHECK(std::filesystem::is_empty(directory.path()));
}

}  // namespace
}  // namespace freshet::test
