#include "coordinator/intact_versions.h"

#include <catch2/catch.hpp>

#include "common/version_log/compaction.h"
#include "tests/coordinator/fake_cluster.h"

namespace freshet::coordinator {
namespace {

// 1 is a base, 2 builds on it, 3 is a rollback to 1, 4 builds on it, 5 has become a base, 6 builds
// on it.
struct Fixture {
  Fixture() : cluster(1, 1) {
    cluster.StartAll();
    Cut();
    Cut();
    REQUIRE(cluster.Rollback(1).value() == 3);
    Cut();
    Cut();
    Cut();
    cluster.StopCoordinator();
    VersionLog log = cluster.log();
    REQUIRE(Compact(cluster.env.files, log, VersionId(5), [] { return absl::OkStatus(); }).ok());
  }

  void Cut() {
    cluster.Train(1);
    REQUIRE(cluster.CutNow().ok());
  }

  void DamageBase() const {
    const VersionLog log = cluster.log();
    const std::string path = log.VersionDirectory(VersionId(5)) + "/base-0.safetensors";
    std::string content = ReadFile(cluster.env.files, path).value();
    content.back() = static_cast<char>(content.back() ^ 1);
    REQUIRE(WriteFileAtomically(cluster.env.files, path, content).ok());
  }

  StatusOr<uint64_t> Before(uint64_t version) {
    const VersionLog log = cluster.log();
    IntactVersions intact(log);
    FRESHET_ASSIGN_OR_RETURN(const VersionId found, intact.NewestBefore(VersionId(version)));
    return found.value();
  }

  FakeCluster cluster;
};

TEST_CASE("the version before is the newest intact one in the history", "[coordinator]") {
  Fixture fixture;
  CHECK(fixture.Before(6).value() == 5);
  CHECK(fixture.Before(5).value() == 4);
  CHECK(fixture.Before(4).value() == 3);
  CHECK(fixture.Before(3).value() == 1);  // 2 was rolled back from
  CHECK(absl::IsNotFound(fixture.Before(1).status()));
}

TEST_CASE("a version whose chain holds a damaged file is passed over", "[coordinator]") {
  Fixture fixture;
  fixture.DamageBase();
  const VersionLog log = fixture.cluster.log();
  IntactVersions intact(log);
  const Status status = intact.Check(VersionId(6));
  CHECK(absl::IsDataLoss(status));
  CHECK(MessageOf(status).find("version 5: ") == 0);
  CHECK(intact.Check(VersionId(4)).ok());
  CHECK(fixture.Before(6).value() == 4);
  fixture.cluster.Damage(1);
  CHECK(absl::IsNotFound(fixture.Before(6).status()));
}

}  // namespace
}  // namespace freshet::coordinator
