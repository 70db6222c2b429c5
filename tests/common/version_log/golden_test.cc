#include <catch2/catch.hpp>
#include <string>

#include "common/version_log/version_log.h"
#include "tests/common/version_log/contents.h"
#include "tests/common/version_log/manifests.h"

// A log as format 1 wrote it, to be read by every later program. It is never written again; a later
// format gets a folder beside it.
namespace freshet::test {
namespace {

constexpr char kGolden[] = FRESHET_SOURCE_DIR "/tests/common/version_log/golden/format-1";
constexpr char kPart[] = "part-0-0.safetensors";

PartContents ContentsOf(uint64_t version) {
  PartContents contents = SmallContents();
  contents.embeddings[0].keys[0] = version;
  return contents;
}

TEST_CASE("a log of format 1 is read today", "[version_log]") {
  const VersionLog log(LocalFileSystem(), kGolden);
  const auto versions = log.List();
  REQUIRE(versions.ok());
  CHECK(*versions ==
        std::vector<VersionId>{VersionId(1), VersionId(2), VersionId(3), VersionId(4)});
  for (const VersionId version : *versions) {
    const auto manifest = log.ReadManifest(version);
    INFO(manifest.status().ToString());
    REQUIRE(manifest.ok());
    CHECK(manifest->workers(0).positions(0).offset() == version.value() * 1000);
    CHECK(manifest->metrics().auc() == 1.0 / 3.0);
  }
  // 1 is a base, 2 a delta, 3 a rollback to 1, and 4 a delta on top of it.
  std::vector<uint64_t> seen;
  const Status status = ForEachPart(LocalFileSystem(),
                                    log,
                                    VersionId(4),
                                    PartColumns::kAll,
                                    [&](const proto::Manifest& manifest, PartContents contents) {
                                      seen.push_back(manifest.version());
                                      CHECK(SameContents(contents, ContentsOf(manifest.version())));
                                      return absl::OkStatus();
                                    });
  INFO(status.ToString());
  CHECK(status.ok());
  CHECK(seen == std::vector<uint64_t>{1, 4});
}

// How the golden log was made, once: version_log_test "[.make-golden]", with an empty folder.
TEST_CASE("write the golden log", "[.make-golden]") {
  VersionLog log(LocalFileSystem(), kGolden);
  const auto commit = [&](uint64_t version, uint64_t parent, proto::Manifest::Kind kind) {
    REQUIRE(log.Prepare(VersionId(version)).ok());
    proto::Manifest manifest = SmallManifest(version, parent, kind);
    if (kind != proto::Manifest::ROLLBACK) {
      const auto part = WritePart(
          LocalFileSystem(), log.VersionDirectory(VersionId(version)), kPart, ContentsOf(version));
      REQUIRE(part.ok());
      *manifest.add_parts() = *part;
    }
    REQUIRE(log.Commit(manifest).ok());
  };
  commit(1, 0, proto::Manifest::BASE);
  commit(2, 1, proto::Manifest::DELTA);
  commit(3, 1, proto::Manifest::ROLLBACK);
  commit(4, 3, proto::Manifest::DELTA);
}

}  // namespace
}  // namespace freshet::test
