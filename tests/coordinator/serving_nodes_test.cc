#include "coordinator/serving_nodes.h"

#include <catch2/catch.hpp>

#include "tests/coordinator/fake_cluster.h"

namespace freshet::coordinator {
namespace {

using std::chrono::milliseconds;
using Phase = proto::StatusResponse;

TEST_CASE("serving nodes are told of each version", "[coordinator]") {
  FakeCluster cluster(1, 1, 2);
  cluster.StartAll();
  cluster.Await(
      [](const auto& status) { return status.members(3).up() && status.members(2).up(); });
  const size_t before = cluster.journal.Count("serving-1 notice");
  cluster.Train(1);
  REQUIRE(cluster.CutNow().value() == 1);
  cluster.journal.Await("serving-1 notice", before + 1);
  CHECK(cluster.serving[1]->noticed() == 1);
}

TEST_CASE("a damaged version that serving refuses is followed by a base, without a rewind",
          "[coordinator]") {
  FakeCluster cluster(2, 1, 1);
  cluster.StartAll();
  for (int i = 0; i < 3; ++i) {
    cluster.Train(5);
    REQUIRE(cluster.CutNow().ok());
  }
  cluster.serving[0]->Serve(1, 100);
  cluster.serving[0]->Refuse();
  cluster.Await(
      [](const auto& status) { return status.members(3).report().refused_versions() == 1; });
  REQUIRE(cluster.CutNow().value() == 4);  // although nothing was trained
  CHECK(cluster.ManifestOf(4).kind() == proto::Manifest::BASE);
  cluster.Train(5);
  REQUIRE(cluster.CutNow().value() == 5);
  CHECK(cluster.ManifestOf(5).kind() == proto::Manifest::DELTA);
  CHECK(cluster.coordinator->status().rewinds() == 0);
}

TEST_CASE("a refusal that serving has got over asks for nothing", "[coordinator]") {
  FakeCluster cluster(1, 1, 1);
  cluster.StartAll();
  cluster.Train(5);
  REQUIRE(cluster.CutNow().value() == 1);
  cluster.serving[0]->Serve(1, 100);
  cluster.serving[0]->Refuse();
  cluster.Await(
      [](const auto& status) { return status.members(2).report().refused_versions() == 1; });
  cluster.Train(5);
  REQUIRE(cluster.CutNow().value() == 2);
  CHECK(cluster.ManifestOf(2).kind() == proto::Manifest::DELTA);
}

TEST_CASE("serving gets its base also when training is finished", "[coordinator]") {
  FakeCluster cluster(1, 1, 1);
  cluster.options.cut_every = milliseconds(5);
  cluster.StartAll();
  cluster.Train(5);
  cluster.workers[0]->Finish();
  const uint64_t last = cluster.AwaitPhase(Phase::FINISHED).version();
  cluster.serving[0]->Refuse();
  cluster.Await([last](const auto& status) { return status.version() > last; });
  CHECK(cluster.ManifestOf(last + 1).kind() == proto::Manifest::BASE);
  CHECK(cluster.coordinator->status().phase() == Phase::FINISHED);
}

}  // namespace
}  // namespace freshet::coordinator
