// Rollback, delete keys and what else is asked of a coordinator.
#include <catch2/catch.hpp>
#include <future>

#include "tests/coordinator/fake_cluster.h"

namespace freshet::coordinator {
namespace {

using Phase = proto::StatusResponse;

bool Says(const Status& status, const std::string& words) {
  return MessageOf(status).find(words) != std::string::npos;
}

TEST_CASE("a rollback is a new version that equals an old one, for rows and positions",
          "[coordinator]") {
  FakeCluster cluster(2, 2, 1);
  cluster.StartAll();
  for (int i = 0; i < 3; ++i) {
    cluster.Train(5);
    REQUIRE(cluster.CutNow().ok());
  }
  cluster.Train(5);
  const uint64_t epoch = cluster.coordinator->status().epoch();
  REQUIRE(cluster.Rollback(1).value() == 4);
  const auto after = cluster.coordinator->status();
  CHECK(after.phase() == Phase::TRAINING);
  CHECK(after.epoch() > epoch);
  CHECK(after.version() == 4);
  CHECK(after.rewinds() == 1);
  CHECK(cluster.Read() == 10);
  CHECK(cluster.Counted() == 10);
  CHECK(cluster.Versions() == std::vector<uint64_t>{1, 2, 3, 4});

  const proto::Manifest manifest = cluster.ManifestOf(4);
  CHECK(manifest.kind() == proto::Manifest::ROLLBACK);
  CHECK(manifest.parent() == 1);
  CHECK(manifest.metrics().total_samples() == 10);

  // What follows builds on the rollback; so does a rollback to a rollback.
  cluster.Train(2);
  REQUIRE(cluster.CutNow().value() == 5);
  CHECK(cluster.ManifestOf(5).parent() == 4);
  REQUIRE(cluster.Rollback(4).value() == 6);
  CHECK(cluster.Read() == 10);
  REQUIRE(cluster.Rollback(5).value() == 7);
  CHECK(cluster.Counted() == 14);
}

TEST_CASE("versions that were rolled back from are no refuge from damage", "[coordinator]") {
  FakeCluster cluster;
  cluster.StartAll();
  for (int i = 0; i < 3; ++i) {
    cluster.Train(5);
    REQUIRE(cluster.CutNow().ok());
  }
  REQUIRE(cluster.Rollback(2).value() == 4);
  cluster.Damage(2);
  const uint64_t epoch = cluster.coordinator->status().epoch();
  cluster.StartPs(0);
  CHECK(cluster.AwaitTrainingAfter(epoch).version() == 5);
  CHECK(cluster.ManifestOf(5).parent() == 1);
  CHECK(cluster.Read() == 10);
}

TEST_CASE("a rollback to what cannot be is refused, and nothing happens", "[coordinator]") {
  FakeCluster cluster;
  cluster.StartAll();
  CHECK(Says(cluster.Rollback(3).status(), "which is empty"));
  cluster.Train(5);
  REQUIRE(cluster.CutNow().value() == 1);
  cluster.Train(5);
  REQUIRE(cluster.CutNow().value() == 2);
  CHECK(absl::IsInvalidArgument(cluster.Rollback(0).status()));
  const Status unknown = cluster.Rollback(9).status();
  CHECK(absl::IsNotFound(unknown));
  CHECK(Says(unknown, "versions go from 1 to 2"));
  cluster.Damage(1);
  CHECK(absl::IsDataLoss(cluster.Rollback(1).status()));
  CHECK(cluster.coordinator->status().rewinds() == 0);
  CHECK(cluster.Versions() == std::vector<uint64_t>{1, 2});
}

TEST_CASE("a rollback is possible while the cluster forms, and after it has finished",
          "[coordinator]") {
  FakeCluster cluster(1, 1);
  cluster.StartAll();
  cluster.Train(5);
  REQUIRE(cluster.CutNow().value() == 1);
  cluster.Train(5);
  cluster.workers[0]->Finish();
  cluster.AwaitPhase(Phase::FINISHED);
  REQUIRE(cluster.Rollback(1).value() == 3);
  CHECK(cluster.coordinator->status().phase() == Phase::TRAINING);
  CHECK(cluster.Read() == 5);

  cluster.StopCoordinator();
  cluster.ps[0].reset();
  cluster.StartCoordinator();
  const auto channel = cluster.transport->Connect(FakeCluster::kAddress);
  proto::RollbackRequest request;
  request.set_version(2);
  std::promise<StatusOr<rpc::Message>> answer;
  channel->Call(rpc::Method::kRollback,
                rpc::MakeMessage(request),
                std::chrono::seconds(60),
                [&](StatusOr<rpc::Message> message) { answer.set_value(std::move(message)); });
  cluster.Await([](const auto& status) { return status.version() > 3; });
  cluster.StartPs(0);
  CHECK(answer.get_future().get().ok());
  CHECK(cluster.Read() == 10);
}

TEST_CASE("deleted keys are counted, and a version says that they are gone", "[coordinator]") {
  FakeCluster cluster;
  cluster.StartAll();
  cluster.Train(5);
  REQUIRE(cluster.CutNow().value() == 1);
  const auto deleted = cluster.DeleteKeys("ledger", {1, 77});
  REQUIRE(deleted.ok());
  CHECK(deleted->deleted() == 1);
  CHECK(deleted->version() == 2);
  uint64_t tombstones = 0;
  const proto::Manifest manifest = cluster.ManifestOf(2);
  for (const proto::PartFile& part : manifest.parts()) {
    tombstones += part.tombstones();
  }
  CHECK(tombstones == 1);
  const uint64_t epoch = cluster.coordinator->status().epoch();
  cluster.StartPs(1);
  cluster.AwaitTrainingAfter(epoch);
  CHECK(cluster.Counted() == 5);
  CHECK(cluster.ps[1]->rows().empty());
}

TEST_CASE("a delete whose version fails is in the next one", "[coordinator]") {
  FakeCluster cluster;
  cluster.StartAll();
  cluster.Train(5);
  REQUIRE(cluster.CutNow().value() == 1);
  cluster.ps[0]->FailNext(rpc::Method::kWriteCut, ResourceExhausted("no space left"));
  const Status failed = cluster.DeleteKeys("ledger", {1}).status();
  CHECK(absl::IsResourceExhausted(failed));
  CHECK(Says(failed, "1 keys are deleted, but no version says so yet"));
  REQUIRE(cluster.CutNow().value() == 3);  // although nothing was trained
  const proto::Manifest manifest = cluster.ManifestOf(3);
  CHECK(manifest.parts(0).tombstones() + manifest.parts(1).tombstones() == 1);
}

TEST_CASE("a delete that makes no sense is refused", "[coordinator]") {
  FakeCluster cluster;
  cluster.StartAll();
  const Status unknown = cluster.DeleteKeys("factors", {1}).status();
  CHECK(absl::IsInvalidArgument(unknown));
  CHECK(Says(unknown, "it has: ledger"));
  CHECK(absl::IsInvalidArgument(cluster.DeleteKeys("ledger", {}).status()));
  CHECK(cluster.journal.Count("ps-0 delete") == 0);
}

TEST_CASE("who asks while nobody trains is told what is waited for", "[coordinator]") {
  FakeCluster cluster;
  cluster.StartCoordinator();
  const Status cut = cluster.CutNow().status();
  CHECK(absl::IsUnavailable(cut));
  CHECK(Says(cut, "FORMING: ps-0 has not joined"));
  CHECK(absl::IsUnavailable(cluster.DeleteKeys("ledger", {1}).status()));
}

TEST_CASE("the state can be asked for over rpc and http at any time", "[coordinator]") {
  FakeCluster cluster(1, 1, 1);
  cluster.StartAll();
  cluster.Train(5);
  REQUIRE(cluster.CutNow().value() == 1);
  const auto channel = cluster.transport->Connect(FakeCluster::kAddress);
  const auto status = rpc::CallAndWait<proto::StatusResponse>(
      *channel, rpc::Method::kStatus, proto::StatusRequest(), std::chrono::seconds(60));
  REQUIRE(status.ok());
  CHECK(status->version() == 1);

  const auto get = [&](const std::string& path) {
    return cluster.coordinator->Answer({.method = "GET", .path = path, .query = "", .body = ""});
  };
  CHECK(get("/metrics").body.find("freshet_coordinator_cuts_total 1") != std::string::npos);
  CHECK(get("/metrics").body.find("freshet_coordinator_members_up{role=\"ps\"} 1") !=
        std::string::npos);
  CHECK(get("/status").body.find("\"version\":\"1\"") != std::string::npos);
  CHECK(get("/events").body.find("epoch epoch=1 version=0") != std::string::npos);
  CHECK(get("/else").status == 404);
}

}  // namespace
}  // namespace freshet::coordinator
