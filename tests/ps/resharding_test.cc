// A version that was written by any number of servers is restored by any other.
#include <catch2/catch.hpp>
#include <random>

#include "tests/ps/cluster.h"
#include "tests/ps/models.h"

namespace freshet::ps {
namespace {

using test::Cluster;
using test::KeyOf;
using test::Run;
using test::SmallModel;

constexpr uint64_t kKeys = 3000;

// A base, and two deltas on it: each touches some keys, and the last deletes some.
void Train(Cluster& cluster) {
  std::mt19937_64 random(1);
  cluster.Restore(1, 0);
  cluster.Declare(1, SmallModel());
  for (uint64_t version = 1; version <= 3; ++version) {
    for (uint32_t server = 0; server < cluster.shape().servers; ++server) {
      Run run;
      std::mt19937_64 gradients(version);
      for (uint64_t i = 0; i < kKeys; i += version) {
        const float gradient = static_cast<float>(gradients() % 2001) * 0.001F - 1.0F;
        if (cluster.ServerOf(KeyOf(i)) == server) {
          run.keys.push_back(KeyOf(i));
          run.gradients.insert(run.gradients.end(), 3, gradient);
        }
      }
      REQUIRE(cluster.client(server).Push({.sequence = version}, {.runs = {run}}).ok());
      if (version == 3) {
        std::vector<Key> gone;
        for (uint64_t i = 0; i < kKeys; i += 17) {
          if (cluster.ServerOf(KeyOf(i)) == server) {
            gone.push_back(KeyOf(i));
          }
        }
        REQUIRE(cluster.client(server).Delete(1, "weights", gone).ok());
      }
    }
    cluster.CutVersion(1, version, SmallModel(), version == 1);
  }
}

}  // namespace

TEST_CASE("any number of servers restores what any other number wrote", "[ps]") {
  const uint32_t writers = GENERATE(range(1U, 6U));
  const test::ScratchFolder folder;
  const std::string log = folder.path() + "/log";
  Cluster before({.servers = writers, .owner_threads = 1 + writers % 2}, log);
  Train(before);
  const test::VersionContents written = before.Read(3);
  CHECK(written.rows.size() == kKeys - (kKeys + 16) / 17);
  for (uint32_t readers = 1; readers <= 5; ++readers) {
    CAPTURE(writers, readers);
    Cluster after({.servers = readers, .owner_threads = 1 + readers % 2}, log);
    CHECK(after.Restore(readers + 1, 3) == written.rows.size());
    // What they hold, as a base of their own.
    after.CutVersion(readers + 1, 3 + readers, SmallModel(), true);
    CHECK(after.Read(3 + readers) == written);
  }
}

}  // namespace freshet::ps
