// What is taken out of the model is gone from the version that the answer names, whatever happens
// before that is committed.
#include <algorithm>
#include <catch2/catch.hpp>
#include <future>

#include "tests/coordinator/fake_cluster.h"

namespace freshet::coordinator {
namespace {

using Phase = proto::StatusResponse;

bool Says(const Status& status, const std::string& words) {
  return MessageOf(status).find(words) != std::string::npos;
}

uint64_t TombstonesOf(const FakeCluster& cluster, uint64_t version) {
  uint64_t tombstones = 0;
  const proto::Manifest manifest = cluster.ManifestOf(version);
  for (const proto::PartFile& part : manifest.parts()) {
    tombstones += part.tombstones();
  }
  return tombstones;
}

// Trained, with version 1: key 0 on server 0, key 1 on server 1, each of which counts 5.
struct Trained {
  explicit Trained(uint32_t steps_to_live = 0) {
    if (steps_to_live > 0) {
      proto::FeaturePolicy& policy =
          *cluster.options.model.mutable_embedding_variables(0)->mutable_policy();
      policy.mutable_rules()->mutable_eviction()->set_steps_to_live(steps_to_live);
      policy.set_evict_every_steps(1000);
    }
    cluster.options.stop_timeout = std::chrono::milliseconds(100);
    cluster.StartAll();
    cluster.Train(5);
    REQUIRE(cluster.CutNow().value() == 1);
  }

  // Everybody goes back to the newest version: what only memory knew is gone.
  void Restart() {
    const uint64_t epoch = cluster.coordinator->status().epoch();
    cluster.StartPs(1);
    cluster.AwaitTrainingAfter(epoch);
  }

  FakeCluster cluster;
};

TEST_CASE("forgotten keys are gone from the version that is named", "[coordinator]") {
  Trained trained;
  FakeCluster& cluster = trained.cluster;
  cluster.journal.Clear();
  const auto forgotten = cluster.Forget("ledger", {1, 77});
  REQUIRE(forgotten.ok());
  CHECK(forgotten->rows() == 1);
  CHECK(forgotten->version() == 2);
  CHECK(TombstonesOf(cluster, 2) == 1);
  trained.Restart();
  CHECK(cluster.Counted() == 5);
  CHECK(cluster.ps[1]->rows().empty());
}

TEST_CASE("keys are forgotten while the workers pause, so that none comes back", "[coordinator]") {
  Trained trained;
  FakeCluster& cluster = trained.cluster;
  cluster.journal.Clear();
  REQUIRE(cluster.Forget("ledger", {1}).ok());
  const auto entries = cluster.journal.entries();
  const auto at = [&](const std::string& entry) {
    return std::find(entries.begin(), entries.end(), entry) - entries.begin();
  };
  for (const std::string server : {"ps-0 ", "ps-1 "}) {
    for (const std::string worker : {"worker-0 ", "worker-1 "}) {
      CHECK(at(worker + "pause") < at(server + "delete"));
      CHECK(at(server + "cut") < at(worker + "resume"));
    }
    CHECK(at(server + "delete") < at(server + "cut"));
  }
}

TEST_CASE("a rewind before the version is committed forgets the keys again", "[coordinator]") {
  struct Case {
    rpc::Method method;
    Status failure;
    uint64_t version;
  };

  // The first two end before a server has heard of version 2: its number is free still.
  for (const Case& at : {Case{rpc::Method::kDelete, Unavailable("gone"), 2},
                         Case{rpc::Method::kDelete, Aborted("another epoch"), 2},
                         Case{rpc::Method::kCut, Unavailable("gone"), 3},
                         Case{rpc::Method::kWriteCut, Unavailable("gone"), 3}}) {
    CAPTURE(static_cast<int>(at.method), at.failure.ToString());
    Trained trained;
    FakeCluster& cluster = trained.cluster;
    cluster.ps[0]->FailNext(at.method, at.failure);
    const auto forgotten = cluster.Forget("ledger", {0, 1});
    INFO(forgotten.status().ToString());
    REQUIRE(forgotten.ok());
    CHECK(forgotten->rows() == 2);
    CHECK(forgotten->version() == at.version);
    CHECK(cluster.coordinator->status().rewinds() == 1);
    CHECK(TombstonesOf(cluster, at.version) == 2);
    trained.Restart();
    CHECK(cluster.Counted() == 0);
    CHECK(cluster.Read() == 10);
  }
}

TEST_CASE("a step that is slow is tried again soon, until the version is there", "[coordinator]") {
  Trained trained;
  FakeCluster& cluster = trained.cluster;
  cluster.ps[0]->FailNext(rpc::Method::kWriteCut, DeadlineExceeded("slow"));
  const auto forgotten = cluster.Forget("ledger", {1});
  REQUIRE(forgotten.ok());
  CHECK(forgotten->rows() == 1);
  CHECK(forgotten->version() == 3);
  CHECK(cluster.coordinator->status().rewinds() == 0);
  CHECK(TombstonesOf(cluster, 3) == 1);
}

TEST_CASE("who forgets while the disk is full is told, and it is done when there is room",
          "[coordinator]") {
  Trained trained;
  FakeCluster& cluster = trained.cluster;
  cluster.ps[0]->FailNext(rpc::Method::kWriteCut, ResourceExhausted("no space left"));
  const Status failed = cluster.Forget("ledger", {1}).status();
  CHECK(absl::IsResourceExhausted(failed));
  CHECK(Says(failed, "no version is without the rows yet"));
  CHECK(Says(failed, "no space left"));
  REQUIRE(cluster.CutNow().value() == 3);  // although nothing was trained
  CHECK(TombstonesOf(cluster, 3) == 1);
}

TEST_CASE("who forgets while a server stays away is told, and it is done when it is back",
          "[coordinator]") {
  FakeCluster cluster;
  cluster.options.rpc_timeout = std::chrono::seconds(1);
  cluster.StartAll();
  cluster.Train(5);
  REQUIRE(cluster.CutNow().value() == 1);
  cluster.ps[1].reset();  // the coordinator does not know yet
  const Status failed = cluster.Forget("ledger", {0, 1}).status();
  CHECK(absl::IsUnavailable(failed));
  CHECK(Says(failed, "no version is without the rows yet"));
  CHECK(Says(failed, "ps-1"));
  cluster.StartPs(1);
  cluster.Await([](const auto& status) { return status.version() > 1; });
  CHECK(cluster.Counted() == 0);
  CHECK(TombstonesOf(cluster, cluster.coordinator->status().version()) == 2);
}

TEST_CASE("what a server refuses is answered, and holds up no version", "[coordinator]") {
  Trained trained;
  FakeCluster& cluster = trained.cluster;
  cluster.ps[1]->FailNext(rpc::Method::kDelete, FailedPrecondition("no model is declared"));
  const Status refused = cluster.Forget("ledger", {1}).status();
  CHECK(absl::IsFailedPrecondition(refused));
  CHECK(Says(refused, "ps-1: no model is declared"));
  cluster.Train(1);
  CHECK(cluster.CutNow().ok());
  CHECK(cluster.Counted() == 12);
}

TEST_CASE("keys can be forgotten after the stream has ended", "[coordinator]") {
  Trained trained;
  FakeCluster& cluster = trained.cluster;
  cluster.workers[0]->Finish();
  cluster.workers[1]->Finish();
  cluster.AwaitPhase(Phase::FINISHED);
  const uint64_t before = cluster.coordinator->status().version();
  const auto forgotten = cluster.Forget("ledger", {1});
  REQUIRE(forgotten.ok());
  CHECK(forgotten->version() == before + 1);
  CHECK(cluster.coordinator->status().phase() == Phase::FINISHED);
  // Also if that takes a rewind.
  cluster.ps[0]->FailNext(rpc::Method::kWriteCut, Unavailable("gone"));
  CHECK(cluster.Forget("ledger", {0}).value().rows() == 1);
}

TEST_CASE("a forget that makes no sense is refused", "[coordinator]") {
  FakeCluster cluster;
  cluster.StartAll();
  const Status unknown = cluster.Forget("factors", {1}).status();
  CHECK(absl::IsInvalidArgument(unknown));
  CHECK(Says(unknown, "it has: ledger"));
  CHECK(absl::IsInvalidArgument(cluster.Forget("ledger", {}).status()));
  CHECK(cluster.journal.Count("ps-0 delete") == 0);
}

TEST_CASE("a coordinator that stops says that nothing is certain", "[coordinator]") {
  Trained trained;
  FakeCluster& cluster = trained.cluster;
  cluster.ps[0]->HangNext(rpc::Method::kDelete);
  cluster.ps[0]->HangNext(rpc::Method::kDelete);  // in the last cut
  const auto channel = cluster.transport->Connect(FakeCluster::kAddress);
  proto::ForgetRequest request;
  request.set_variable("ledger");
  const Key key = 1;
  std::promise<Status> answer;
  channel->Call(rpc::Method::kForget,
                rpc::MakeMessage(request, Buffer::CopyOf(std::as_bytes(std::span(&key, 1)))),
                std::chrono::seconds(60),
                [&](const StatusOr<rpc::Message>& message) { answer.set_value(message.status()); });
  cluster.journal.Await("ps-0 delete");
  cluster.StopCoordinator();
  const Status stopped = answer.get_future().get();
  CHECK(absl::IsUnavailable(stopped));
  CHECK(Says(stopped, "the coordinator stops"));
  CHECK(cluster.Versions().size() == 1);
}

TEST_CASE("a shrink takes away what a dry run counts, by a version", "[coordinator]") {
  Trained trained(7);
  FakeCluster& cluster = trained.cluster;
  cluster.ps[0]->EvictBelow(6);
  cluster.ps[1]->EvictBelow(6);
  const auto would_go = cluster.Shrink(true);
  REQUIRE(would_go.ok());
  REQUIRE(would_go->variables_size() == 1);
  REQUIRE(would_go->variables(0).rules_size() == 1);
  CHECK(would_go->variables(0).rules(0).rule() == "steps_to_live");
  CHECK(would_go->variables(0).rules(0).rows() == 2);
  CHECK(would_go->variables(0).rules(0).bytes() == 20);
  CHECK(cluster.Counted() == 10);
  CHECK(cluster.Versions().size() == 1);

  // The rows come back once, and go again; they are counted once.
  cluster.ps[0]->FailNext(rpc::Method::kWriteCut, Unavailable("gone"));
  auto gone = cluster.Shrink(false);
  REQUIRE(gone.ok());
  CHECK(gone->version() == 3);
  CHECK(TombstonesOf(cluster, 3) == 2);
  gone->clear_version();
  CHECK(gone->SerializeAsString() == would_go->SerializeAsString());
  trained.Restart();
  CHECK(cluster.Counted() == 0);
}

TEST_CASE("a shrink without a rule of eviction is refused", "[coordinator]") {
  Trained trained;
  const Status refused = trained.cluster.Shrink(false).status();
  CHECK(absl::IsFailedPrecondition(refused));
  CHECK(Says(refused, "no rule of eviction is set"));
  CHECK(trained.cluster.journal.Count("ps-0 evict") == 0);
}

}  // namespace
}  // namespace freshet::coordinator
