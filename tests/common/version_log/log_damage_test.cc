// A log in which bytes are changed: in whatever file and however, it is noticed, the file is named,
// and every version that does not need it can be loaded.
#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "common/version_log/version_log.h"
#include "tests/common/damage.h"
#include "tests/common/version_log/contents.h"
#include "tests/common/version_log/crash_file_system.h"
#include "tests/common/version_log/manifests.h"

namespace freshet::test {
namespace {

// 1: a base, 2: a delta on it, 3: a rollback to 1, 4: a delta on that.
struct Log {
  Log() {
    Commit(1, 0, proto::Manifest::BASE);
    Commit(2, 1, proto::Manifest::DELTA);
    Commit(3, 1, proto::Manifest::ROLLBACK);
    Commit(4, 3, proto::Manifest::DELTA);
    needed_by = {{1, {1, 2, 3, 4}}, {2, {2}}, {3, {3, 4}}, {4, {4}}};
  }

  void Commit(uint64_t version, uint64_t parent, proto::Manifest::Kind kind) {
    proto::Manifest manifest = SmallManifest(version, parent, kind);
    const std::string folder = log.VersionDirectory(VersionId(version));
    REQUIRE(log.Prepare(VersionId(version)).ok());
    for (int part = 0; kind != proto::Manifest::ROLLBACK && part < 2; ++part) {
      std::mt19937_64 random(version * 10 + static_cast<uint64_t>(part));
      const std::string name =
          fmt::format("part-{}-0.safetensors{}", part, part == 1 ? ".zst" : "");
      const auto written = WritePart(files, folder, name, RandomContents(random));
      REQUIRE(written.ok());
      *manifest.add_parts() = *written;
      paths.push_back({folder + "/" + name, version});
    }
    REQUIRE(log.Commit(manifest).ok());
    paths.push_back({folder + "/manifest.json", version});
  }

  struct Path {
    std::string path;
    uint64_t version = 0;
  };

  CrashFileSystem files;
  VersionLog log{files, "/data/log"};
  std::vector<Path> paths;
  std::map<uint64_t, std::set<uint64_t>> needed_by;  // by version of a file
};

void CheckNoticed(Log& log, const Log::Path& damaged) {
  for (uint64_t version = 1; version <= 4; ++version) {
    const Status status = log.log.Verify(VersionId(version));
    INFO("version " << version << ": " << status);
    if (!log.needed_by.at(damaged.version).contains(version)) {
      REQUIRE(status.ok());
      continue;
    }
    REQUIRE(absl::IsDataLoss(status));
    const std::string name = damaged.path.substr(damaged.path.rfind('/') + 1);
    REQUIRE_THAT(MessageOf(status), Catch::Contains(name));
  }
}

}  // namespace

TEST_CASE("damage of whatever kind in whatever file is noticed and named", "[version_log]") {
  const auto [what, damage, times] =
      GENERATE(std::tuple<const char*, Damage, int>("a flipped bit", FlipBit, 10'000),
               std::tuple<const char*, Damage, int>("a truncation", Truncate, 2'000),
               std::tuple<const char*, Damage, int>("a block of zeros", ZeroBlock, 1'000),
               std::tuple<const char*, Damage, int>("swapped blocks", SwapBlocks, 1'000),
               std::tuple<const char*, Damage, int>("bytes behind the end", AppendBytes, 500));
  const uint64_t seed = std::random_device()();
  INFO(what << ", seed " << seed);
  std::mt19937_64 random(seed);
  Log log;
  int damages = 0;
  for (int i = 0; i < times; ++i) {
    const Log::Path& path = log.paths[static_cast<size_t>(i) % log.paths.size()];
    std::string& bytes = log.files.Bytes(path.path);
    const std::string whole = bytes;
    bytes = damage(whole, random);
    if (bytes != whole) {
      ++damages;
      INFO(path.path);
      CheckNoticed(log, path);
    }
    bytes = whole;
  }
  CHECK(damages > times / 2);
  for (uint64_t version = 1; version <= 4; ++version) {
    CHECK(log.log.Verify(VersionId(version)).ok());
  }
}

}  // namespace freshet::test
