// Kills a coordinator with SIGKILL at each named point of a cut and of a rollback, and looks at
// what the next one makes of it. The child is this test program, run with the hidden test case.
#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <string>

#include "tests/coordinator/fake_cluster.h"

namespace freshet::coordinator {
namespace {

constexpr char kFolderVariable[] = "FRESHET_TEST_FOLDER";

// Versions 1 and 2 of 10 samples each, then a third cut, then a rollback to 1, then its only key is
// forgotten.
TEST_CASE("child: trains, cuts, rolls back and forgets until it is killed", "[.crash-child]") {
  const char* folder = std::getenv(kFolderVariable);
  REQUIRE(folder != nullptr);
  FakeCluster cluster(1, 1);
  cluster.options.log_dir = std::string(folder) + "/log";
  cluster.options.state_dir = std::string(folder) + "/state";
  cluster.StartAll();
  for (int i = 0; i < 3; ++i) {
    cluster.Train(10);
    REQUIRE(cluster.CutNow().ok());
  }
  REQUIRE(cluster.Rollback(1).ok());
  REQUIRE(cluster.Forget("ledger", {0}).ok());
}

// Runs the child and returns whether it died of SIGKILL.
bool KilledAt(const std::string& point, const std::string& folder) {
  const std::string command = "FRESHET_CRASH_AT=" + point + " " + kFolderVariable + "=" + folder +
                              " exec " FRESHET_BINARY_DIR
                              "/bin/coordinator_test '[.crash-child]' >/dev/null 2>&1";
  const int result = std::system(command.c_str());
  // The shell became the child, or says 128 + signal.
  return (WIFSIGNALED(result) && WTERMSIG(result) == SIGKILL) ||
         (WIFEXITED(result) && WEXITSTATUS(result) == 128 + SIGKILL);
}

struct Expectation {
  std::string point;
  std::vector<uint64_t> versions;
  uint64_t samples;  // in the newest
};

TEST_CASE("killed anywhere, the state is that before or after", "[coordinator][crash]") {
  const std::vector<Expectation> expectations = {
      {"after_epoch", {}, 0},
      {"after_restore", {}, 0},
      {"after_hold:3", {1, 2}, 20},
      {"after_pause:3", {1, 2}, 20},
      {"after_cut:3", {1, 2}, 20},
      {"after_resume:3", {1, 2}, 20},
      {"before_manifest:3", {1, 2}, 20},
      {"after_manifest:3", {1, 2, 3}, 30},
      {"before_rollback_manifest", {1, 2, 3}, 30},
      {"after_rollback_manifest", {1, 2, 3, 4}, 10},
      {"after_epoch:2", {1, 2, 3, 4}, 10},
      {"after_edit", {1, 2, 3, 4}, 10},
  };
  for (const Expectation& expected : expectations) {
    CAPTURE(expected.point);
    FakeCluster cluster(1, 1);
    REQUIRE(KilledAt(expected.point, cluster.folder.path()));
    CHECK(cluster.Versions() == expected.versions);
    const uint64_t used = cluster.log().LargestUsed().value().value();
    cluster.StartAll();
    CHECK(cluster.Read() == expected.samples);
    CHECK(cluster.Counted() == expected.samples);
    const uint64_t newest = expected.versions.empty() ? 0 : expected.versions.back();
    CHECK(cluster.coordinator->status().version() == newest);
    CHECK(cluster.coordinator->status().epoch() > 1);
    cluster.Train(1);
    const auto version = cluster.CutNow();
    REQUIRE(version.ok());
    CHECK(*version > used);
    CHECK(cluster.ManifestOf(*version).parent() == newest);
  }
}

}  // namespace
}  // namespace freshet::coordinator
