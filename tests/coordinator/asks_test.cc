// Rollback and what else is asked of a coordinator; tests/coordinator/edits_test.cc: forget,
// shrink.
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

TEST_CASE("a key is explained by the server that owns it", "[coordinator]") {
  FakeCluster cluster;
  cluster.StartAll();
  const auto low = cluster.Explain("ledger", 1);
  REQUIRE(low.ok());
  CHECK(low->partition() == 0);
  CHECK(low->partition_count() == 16);
  CHECK(low->server() == 0);
  CHECK(low->address() == cluster.ps[0]->address());
  CHECK(low->lines(0) == "ps-0 was asked for 1 of slot 3");
  const auto high = cluster.Explain("ledger", UINT64_MAX);
  REQUIRE(high.ok());
  CHECK(high->partition() == 15);
  CHECK(high->lines(0) == "ps-1 was asked for 18446744073709551615 of slot 3");
  CHECK(Says(cluster.Explain("legder", 1).status(), "(did you mean 'ledger'?); it has: ledger"));
  cluster.ps[0]->FailNext(rpc::Method::kExplain, FailedPrecondition("no model is declared"));
  CHECK(Says(cluster.Explain("ledger", 1).status(), "ps-0: no model is declared"));
}

TEST_CASE("the model can be asked for at any time", "[coordinator]") {
  FakeCluster cluster;
  cluster.StartCoordinator();
  const auto channel = cluster.transport->Connect(FakeCluster::kAddress);
  const auto response = rpc::CallAndWait<proto::ModelResponse>(
      *channel, rpc::Method::kModel, proto::ModelRequest(), std::chrono::seconds(60));
  REQUIRE(response.ok());
  CHECK(response->model().kind() == "ledger");
}

TEST_CASE("who asks while nobody trains is told what is waited for", "[coordinator]") {
  FakeCluster cluster;
  cluster.StartCoordinator();
  const Status cut = cluster.CutNow().status();
  CHECK(absl::IsUnavailable(cut));
  CHECK(Says(cut, "FORMING: ps-0 has not joined"));
  CHECK(absl::IsUnavailable(cluster.Forget("ledger", {1}).status()));
  CHECK(Says(cluster.Explain("ledger", 1).status(), "FORMING: ps-0 has not joined"));
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
