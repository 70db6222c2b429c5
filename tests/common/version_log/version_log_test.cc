#include "common/version_log/version_log.h"

#include <catch2/catch.hpp>

#include "common/version_log/checksum.h"
#include "common/version_log/manifest_file.h"
#include "tests/common/version_log/contents.h"
#include "tests/common/version_log/crash_file_system.h"
#include "tests/common/version_log/manifests.h"

namespace freshet::test {
namespace {

constexpr char kPart[] = "part-0-0.safetensors";

// A log in memory, and short ways to fill it.
struct Log {
  Status Commit(uint64_t version,
                uint64_t parent,
                proto::Manifest::Kind kind = proto::Manifest::DELTA) {
    proto::Manifest manifest = SmallManifest(version, parent, kind);
    FRESHET_RETURN_IF_ERROR(log.Prepare(VersionId(version)));
    if (kind != proto::Manifest::ROLLBACK) {
      PartContents contents = SmallContents();
      contents.embeddings[0].keys[0] = version;
      FRESHET_ASSIGN_OR_RETURN(
          *manifest.add_parts(),
          WritePart(files, log.VersionDirectory(VersionId(version)), kPart, contents));
    }
    return log.Commit(manifest);
  }

  std::string Path(uint64_t version, const std::string& name) {
    return log.VersionDirectory(VersionId(version)) + "/" + name;
  }

  // The versions of the chain, or of its error nothing.
  std::vector<uint64_t> Chain(uint64_t version) {
    const auto chain = log.Chain(VersionId(version));
    INFO(chain.status().ToString());
    REQUIRE(chain.ok());
    std::vector<uint64_t> versions;
    for (const proto::Manifest& manifest : *chain) {
      versions.push_back(manifest.version());
    }
    return versions;
  }

  CrashFileSystem files;
  VersionLog log{files, "/data/log"};
};

std::vector<uint64_t> Numbers(const StatusOr<std::vector<VersionId>>& versions) {
  INFO(versions.status().ToString());
  REQUIRE(versions.ok());
  std::vector<uint64_t> numbers;
  for (const VersionId version : *versions) {
    numbers.push_back(version.value());
  }
  return numbers;
}

TEST_CASE("a log whose directory is absent is empty", "[version_log]") {
  Log log;
  CHECK(Numbers(log.log.List()).empty());
  CHECK(log.log.LargestUsed()->value() == 0);
  CHECK(log.log.Newest()->value() == 0);
  CHECK(absl::IsNotFound(log.log.ReadManifest(VersionId(1)).status()));
}

TEST_CASE("what was committed is listed and read back", "[version_log]") {
  Log log;
  REQUIRE(log.Commit(1, 0, proto::Manifest::BASE).ok());
  REQUIRE(log.Commit(2, 1).ok());
  REQUIRE(log.Commit(11, 2).ok());
  CHECK(Numbers(log.log.List()) == std::vector<uint64_t>{1, 2, 11});
  CHECK(log.log.Newest()->value() == 11);
  const auto manifest = log.log.ReadManifest(VersionId(11));
  REQUIRE(manifest.ok());
  CHECK(manifest->parent() == 2);
  CHECK(manifest->parts(0).name() == kPart);
  CHECK(log.log.VersionDirectory(VersionId(11)) == "/data/log/000000000011");
}

TEST_CASE("a folder without manifest is no version, but its number is used", "[version_log]") {
  Log log;
  REQUIRE(log.Commit(1, 0).ok());
  REQUIRE(log.log.Prepare(VersionId(2)).ok());
  CHECK(Numbers(log.log.List()) == std::vector<uint64_t>{1});
  CHECK(log.log.Newest()->value() == 1);
  CHECK(log.log.LargestUsed()->value() == 2);
  CHECK(absl::IsNotFound(log.log.ReadManifest(VersionId(2)).status()));
}

TEST_CASE("what is not named like a version is left alone", "[version_log]") {
  Log log;
  REQUIRE(log.Commit(1, 0).ok());
  for (const char* name : {"7",
                           "00000000000x",
                           "lost+found",
                           "0000000000007",
                           "000000000000",
                           "99999999999999999999",
                           "-00000000001"}) {
    REQUIRE(log.files.CreateDirectories(std::string("/data/log/") + name).ok());
  }
  CHECK(Numbers(log.log.List()) == std::vector<uint64_t>{1});
  CHECK(log.log.LargestUsed()->value() == 1);
}

TEST_CASE("a failed cut's leftovers are gone after the next Prepare", "[version_log]") {
  Log log;
  REQUIRE(log.log.Prepare(VersionId(1)).ok());
  REQUIRE(WritePart(log.files, log.log.VersionDirectory(VersionId(1)), "old", {}).ok());
  REQUIRE(log.log.Prepare(VersionId(1)).ok());
  CHECK(log.files.List("/data/log/000000000001")->empty());
  CHECK(absl::IsInvalidArgument(log.log.Prepare(VersionId(0))));
}

TEST_CASE("a committed version is neither emptied nor committed again", "[version_log]") {
  Log log;
  REQUIRE(log.Commit(1, 0).ok());
  CHECK(absl::IsAlreadyExists(log.log.Prepare(VersionId(1))));
  CHECK(absl::IsAlreadyExists(log.log.Commit(SmallManifest(1, 0))));
  CHECK(log.log.Verify(VersionId(1)).ok());
}

TEST_CASE("a version whose parts are not all there is not committed", "[version_log]") {
  Log log;
  REQUIRE(log.log.Prepare(VersionId(1)).ok());
  const auto part = WritePart(log.files, "/data/log/000000000001", kPart, SmallContents());
  REQUIRE(part.ok());
  proto::Manifest manifest = SmallManifest(1, 0);
  *manifest.add_parts() = *part;
  SECTION("one is missing") {
    manifest.add_parts()->set_name("part-1-0.safetensors");
    CHECK(absl::IsNotFound(log.log.Commit(manifest)));
  }
  SECTION("one has another size") {
    manifest.mutable_parts(0)->set_bytes(part->bytes() + 1);
    CHECK(absl::IsFailedPrecondition(log.log.Commit(manifest)));
  }
  CHECK(Numbers(log.log.List()).empty());
}

TEST_CASE("a chain goes back to a base, or to the first delta", "[version_log]") {
  Log log;
  REQUIRE(log.Commit(1, 0).ok());
  REQUIRE(log.Commit(2, 1).ok());
  CHECK(log.Chain(2) == std::vector<uint64_t>{1, 2});
  REQUIRE(log.Commit(3, 2, proto::Manifest::BASE).ok());
  REQUIRE(log.Commit(5, 3).ok());
  CHECK(log.Chain(3) == std::vector<uint64_t>{3});
  CHECK(log.Chain(5) == std::vector<uint64_t>{3, 5});
}

TEST_CASE("a rollback stands for the chain of what it rolls back to", "[version_log]") {
  Log log;
  REQUIRE(log.Commit(1, 0, proto::Manifest::BASE).ok());
  REQUIRE(log.Commit(2, 1).ok());
  REQUIRE(log.Commit(3, 2).ok());
  REQUIRE(log.Commit(4, 2, proto::Manifest::ROLLBACK).ok());
  REQUIRE(log.Commit(5, 4).ok());
  REQUIRE(log.Commit(6, 4, proto::Manifest::ROLLBACK).ok());
  REQUIRE(log.Commit(7, 6).ok());
  REQUIRE(log.Commit(8, 0, proto::Manifest::ROLLBACK).ok());
  REQUIRE(log.Commit(9, 8).ok());
  CHECK(log.Chain(4) == std::vector<uint64_t>{1, 2});
  CHECK(log.Chain(5) == std::vector<uint64_t>{1, 2, 5});
  CHECK(log.Chain(7) == std::vector<uint64_t>{1, 2, 7});
  CHECK(log.Chain(8).empty());
  CHECK(log.Chain(9) == std::vector<uint64_t>{9});
  CHECK(log.log.Verify(VersionId(8)).ok());
}

TEST_CASE("a chain with a version missing or damaged is DataLoss and names it", "[version_log]") {
  Log log;
  REQUIRE(log.Commit(1, 0).ok());
  REQUIRE(log.Commit(2, 1).ok());
  REQUIRE(log.Commit(3, 2).ok());
  SECTION("missing") {
    REQUIRE(log.files.RemoveAll("/data/log/000000000002").ok());
  }
  SECTION("damaged") {
    log.files.Bytes(log.Path(2, "manifest.json"))[70] ^= 1;
  }
  SECTION("its own parent") {
    // Only a program other than ours would write it.
    proto::Manifest manifest = SmallManifest(2, 1);
    std::string content = *SerializeManifest(manifest);
    const std::string inner = R"({"format":1,"version":"2","parent":"3"})";
    content = R"({"xxh3":")" + Xxh3Hex(inner) + R"(","manifest":)" + inner + "}\n";
    log.files.Bytes(log.Path(2, "manifest.json")) = content;
  }
  const Status status = log.log.Chain(VersionId(3)).status();
  INFO(status.ToString());
  CHECK(absl::IsDataLoss(status));
  CHECK(MessageOf(status).find("version 3 needs version 2") != std::string::npos);
  CHECK(absl::IsDataLoss(log.log.Verify(VersionId(3))));
  CHECK(log.log.Verify(VersionId(1)).ok());
}

TEST_CASE("verify reads every part of the chain", "[version_log]") {
  Log log;
  REQUIRE(log.Commit(1, 0).ok());
  REQUIRE(log.Commit(2, 1).ok());
  REQUIRE(log.log.Verify(VersionId(2)).ok());
  log.files.Bytes(log.Path(1, kPart)).back() ^= 1;
  const Status status = log.log.Verify(VersionId(2));
  INFO(status.ToString());
  CHECK(absl::IsDataLoss(status));
  CHECK(MessageOf(status).find(log.Path(1, kPart)) != std::string::npos);
  CHECK(absl::IsNotFound(log.log.Verify(VersionId(3))));
}

TEST_CASE("parts are handed out oldest version first, until one is refused", "[version_log]") {
  Log log;
  REQUIRE(log.Commit(1, 0).ok());
  REQUIRE(log.Commit(2, 1).ok());
  REQUIRE(log.Commit(3, 2).ok());
  std::vector<uint64_t> seen;
  const auto apply = [&](uint64_t stop_at) {
    return [&seen, stop_at](const proto::Manifest& manifest, const PartContents& contents) {
      CHECK(contents.embeddings[0].keys[0] == manifest.version());
      seen.push_back(manifest.version());
      return manifest.version() == stop_at ? Cancelled("enough") : absl::OkStatus();
    };
  };
  REQUIRE(ForEachPart(log.files, log.log, VersionId(3), PartColumns::kServing, apply(0)).ok());
  CHECK(seen == std::vector<uint64_t>{1, 2, 3});
  seen.clear();
  CHECK(absl::IsCancelled(
      ForEachPart(log.files, log.log, VersionId(3), PartColumns::kServing, apply(2))));
  CHECK(seen == std::vector<uint64_t>{1, 2});
}

// A version that a test commits on top of version 1.
using CommitVersion2 = Status (*)(Log& log);

Status CommitDelta(Log& log) {
  return log.Commit(2, 1);
}

// A rollback has no parts, hence needs no Prepare.
Status CommitRollback(Log& log) {
  return log.log.Commit(SmallManifest(2, 1, proto::Manifest::ROLLBACK));
}

// The commit of version 2 fails at operation `fail_from`, then the machine crashes. Whether the
// version is there afterwards, whole; it is never there in part.
void CheckCutThatFails(CommitVersion2 commit, uint64_t fail_from, uint64_t seed, bool* finished) {
  INFO("operation " << fail_from << " fails, seed " << seed);
  std::mt19937_64 random(seed);
  Log log;
  REQUIRE(log.Commit(1, 0, proto::Manifest::BASE).ok());
  const uint64_t before = log.files.operations();
  log.files.FailFrom(before + fail_from);
  const Status cut = commit(log);
  *finished = log.files.operations() - before <= fail_from;
  REQUIRE(cut.ok() == *finished);
  log.files.Crash(random);
  REQUIRE(log.log.Verify(VersionId(1)).ok());
  const Status manifest = log.log.ReadManifest(VersionId(2)).status();
  INFO(manifest.ToString());
  if (!absl::IsNotFound(manifest)) {
    REQUIRE(manifest.ok());
    REQUIRE(log.log.Verify(VersionId(2)).ok());
  }
  if (cut.ok()) {
    REQUIRE(manifest.ok());
  }
  // And the log goes on.
  const auto used = log.log.LargestUsed();
  REQUIRE(used.ok());
  const uint64_t next = used->next().value();
  REQUIRE(log.Commit(next, log.log.Newest()->value()).ok());
  REQUIRE(log.log.Verify(VersionId(next)).ok());
}

TEST_CASE("a commit is all or nothing, at whatever operation the machine crashes",
          "[version_log]") {
  const CommitVersion2 commit = GENERATE(CommitDelta, CommitRollback);
  const uint64_t first_seed = std::random_device()();
  bool finished = false;
  uint64_t fail_from = 0;
  for (; !finished; ++fail_from) {
    for (uint64_t round = 0; round < 30; ++round) {
      CheckCutThatFails(commit, fail_from, first_seed + round, &finished);
    }
  }
  CHECK(fail_from > 7);  // operations of the smaller of the two
}

// 1: a base, 2: a delta, 3: a base, 4: a delta, of which 1 and 2 are to go, newest first.
Status CollectGarbage(Log& log) {
  for (const uint64_t version : {2, 1}) {
    FRESHET_RETURN_IF_ERROR(log.log.Retire(VersionId(version)));
    FRESHET_RETURN_IF_ERROR(log.log.RemoveFolder(VersionId(version)));
  }
  return absl::OkStatus();
}

TEST_CASE("a garbage collection takes no version apart, at whatever operation the machine crashes",
          "[version_log]") {
  const uint64_t first_seed = std::random_device()();
  bool finished = false;
  for (uint64_t fail_from = 0; !finished; ++fail_from) {
    for (uint64_t round = 0; round < 30; ++round) {
      INFO("operation " << fail_from << " fails, seed " << first_seed + round);
      std::mt19937_64 random(first_seed + round);
      Log log;
      REQUIRE(log.Commit(1, 0, proto::Manifest::BASE).ok());
      REQUIRE(log.Commit(2, 1).ok());
      REQUIRE(log.Commit(3, 2, proto::Manifest::BASE).ok());
      REQUIRE(log.Commit(4, 3).ok());
      const uint64_t before = log.files.operations();
      log.files.FailFrom(before + fail_from);
      const Status collected = CollectGarbage(log);
      finished = log.files.operations() - before <= fail_from;
      REQUIRE(collected.ok() == finished);
      log.files.Crash(random);
      // What is still a version can be loaded; those that are kept are.
      const std::vector<uint64_t> left = Numbers(log.log.List());
      REQUIRE(std::count(left.begin(), left.end(), 3) == 1);
      REQUIRE(std::count(left.begin(), left.end(), 4) == 1);
      for (const uint64_t version : left) {
        const Status status = log.log.Verify(VersionId(version));
        INFO("version " << version << ": " << status);
        REQUIRE(status.ok());
      }
      // And the next collection takes the rest.
      for (const uint64_t version : {2, 1}) {
        if (std::count(left.begin(), left.end(), version) == 1) {
          REQUIRE(log.log.Retire(VersionId(version)).ok());
        }
        REQUIRE(log.log.RemoveFolder(VersionId(version)).ok());
      }
      REQUIRE(Numbers(log.log.List()) == std::vector<uint64_t>{3, 4});
    }
  }
}

}  // namespace
}  // namespace freshet::test
