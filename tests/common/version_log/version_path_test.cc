#include "common/version_log/version_path.h"

#include <catch2/catch.hpp>

#include "tests/common/version_log/contents.h"
#include "tests/common/version_log/crash_file_system.h"
#include "tests/common/version_log/manifests.h"

namespace freshet::test {
namespace {

constexpr proto::Manifest::Kind kBase = proto::Manifest::BASE;
constexpr proto::Manifest::Kind kDelta = proto::Manifest::DELTA;
constexpr proto::Manifest::Kind kRollback = proto::Manifest::ROLLBACK;

struct Line {
  void Commit(uint64_t version, uint64_t parent, proto::Manifest::Kind kind) {
    REQUIRE(log.Prepare(VersionId(version)).ok());
    REQUIRE(log.Commit(SmallManifest(version, parent, kind)).ok());
  }

  // The numbers; nothing if it cannot be told.
  std::optional<std::vector<uint64_t>> Between(uint64_t from, uint64_t to) {
    const auto deltas = DeltasBetween(log, VersionId(from), VersionId(to));
    INFO(deltas.status().ToString());
    REQUIRE(deltas.ok());
    if (!*deltas) {
      return std::nullopt;
    }
    std::vector<uint64_t> versions;
    for (const proto::Manifest& manifest : **deltas) {
      versions.push_back(manifest.version());
    }
    return versions;
  }

  CrashFileSystem files;
  VersionLog log{files, "/data/log"};
};

}  // namespace

TEST_CASE("the deltas between two versions are those of both lines since they parted", "[log]") {
  using Versions = std::vector<uint64_t>;
  Line line;
  line.Commit(1, 0, kBase);
  line.Commit(2, 1, kDelta);
  line.Commit(3, 2, kDelta);
  line.Commit(4, 2, kRollback);
  line.Commit(5, 4, kDelta);
  line.Commit(6, 5, kDelta);
  line.Commit(7, 6, kBase);
  line.Commit(8, 7, kDelta);
  CHECK(line.Between(1, 1) == Versions{});
  CHECK(line.Between(1, 3) == Versions{2, 3});
  CHECK(line.Between(3, 1) == Versions{2, 3});
  CHECK(line.Between(3, 4) == Versions{3});
  CHECK(line.Between(4, 2) == Versions{});
  CHECK(line.Between(3, 6) == Versions{3, 5, 6});
  CHECK(line.Between(6, 3) == Versions{5, 6, 3});
  CHECK(line.Between(8, 7) == Versions{8});
  // All rows of a base may differ from those before it.
  CHECK(line.Between(6, 7) == std::nullopt);
  CHECK(line.Between(8, 3) == std::nullopt);
  CHECK(line.Between(0, 3) == std::nullopt);
  CHECK(line.Between(9, 3) == std::nullopt);
}

TEST_CASE("a line that has lost its beginning is followed as far as it goes", "[log]") {
  Line line;
  line.Commit(1, 0, kBase);
  for (uint64_t version = 2; version <= 6; ++version) {
    line.Commit(version, version - 1, kDelta);
  }
  for (const uint64_t version : {3, 2, 1}) {
    REQUIRE(line.log.Retire(VersionId(version)).ok());
  }
  CHECK(line.Between(4, 6) == std::vector<uint64_t>{5, 6});
  CHECK(line.Between(6, 4) == std::vector<uint64_t>{5, 6});
  CHECK(line.Between(3, 6) == std::vector<uint64_t>{4, 5, 6});  // it need not be there itself
  CHECK(line.Between(2, 6) == std::nullopt);
}

TEST_CASE("touched keys are those of rows and of tombstones", "[log]") {
  PartContents part;
  part.embeddings.resize(2);
  part.embeddings[0].variable = "user";
  part.embeddings[0].keys = {1, 2, 3};
  part.embeddings[0].tombstones = {4};
  part.embeddings[1].variable = "item";
  part.embeddings[1].keys = {1};
  TouchedKeys touched;
  touched.Add(part, [](Key key) { return key != 2; });
  touched.Add(part, [](Key key) { return key != 2; });
  CHECK(*touched.Find("user") == TouchedKeys::Keys{1, 3, 4});
  CHECK(*touched.Find("item") == TouchedKeys::Keys{1});
  CHECK(touched.Find("other") == nullptr);
  CHECK(touched.size() == 4);
}

TEST_CASE("the keys of a part can be read without the rest", "[log]") {
  CrashFileSystem files;
  const PartContents contents = SmallContents();
  REQUIRE(files.CreateDirectories("/part").ok());
  const auto part = WritePart(files, "/part", "part", contents);
  REQUIRE(part.ok());
  const auto keys = ReadPart(files, "/part", *part, PartColumns::kKeys);
  INFO(keys.status().ToString());
  REQUIRE(keys.ok());
  REQUIRE(keys->embeddings.size() == contents.embeddings.size());
  for (size_t i = 0; i < contents.embeddings.size(); ++i) {
    CHECK(keys->embeddings[i].variable == contents.embeddings[i].variable);
    CHECK(keys->embeddings[i].keys == contents.embeddings[i].keys);
    CHECK(keys->embeddings[i].tombstones == contents.embeddings[i].tombstones);
    CHECK(keys->embeddings[i].values.empty());
  }
  CHECK(keys->dense.empty());
}

}  // namespace freshet::test
