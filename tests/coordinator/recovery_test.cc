#include "coordinator/recovery.h"

#include <catch2/catch.hpp>
#include <sstream>

#include "tests/coordinator/fake_cluster.h"

namespace freshet::coordinator {
namespace {

using std::chrono::milliseconds;
using Phase = proto::StatusResponse;

TEST_CASE("a cluster forms when all servers and workers are there, in any order", "[coordinator]") {
  FakeCluster cluster(2, 2, 1);
  cluster.StartWorker(1);
  cluster.StartCoordinator();
  cluster.StartPs(1);
  cluster.StartPs(0);
  const auto forming = cluster.Await(
      [](const auto& status) { return status.waiting_for() == "worker-0 has not joined"; });
  CHECK(forming.phase() == Phase::FORMING);
  CHECK(forming.epoch() == 0);
  CHECK(cluster.journal.Count("ps-0 restore") == 0);
  cluster.StartWorker(0);
  const auto training = cluster.AwaitPhase(Phase::TRAINING);
  CHECK(training.epoch() == 1);
  CHECK(training.waiting_for().empty());
  CHECK(cluster.journal.Count("ps-1 restore") == 1);

  const auto restore = cluster.ps[1]->last_restore();
  CHECK(restore.version() == 0);
  CHECK(restore.server() == 1);
  CHECK(restore.servers() == 2);
  CHECK(restore.workers() == 2);
  CHECK(restore.partition_count() == 16);
  const auto session = cluster.workers[0]->sessions().back();
  CHECK(session.epoch() == 1);
  CHECK(session.worker() == 0);
  CHECK(session.workers() == 2);
  REQUIRE(session.servers_size() == 2);
  CHECK(session.servers(0) == cluster.ps[0]->address());
  CHECK(session.servers(1) == cluster.ps[1]->address());
  CHECK(session.states_size() == 0);
}

TEST_CASE("when a member dies, all go back to the newest version together", "[coordinator]") {
  FakeCluster cluster;
  cluster.StartAll();
  cluster.Train(10);
  REQUIRE(cluster.CutNow().value() == 1);
  cluster.Train(4);
  REQUIRE(cluster.CutNow().value() == 2);
  uint64_t epoch = cluster.coordinator->status().epoch();
  for (const bool ps_dies : {true, false}) {
    cluster.Train(5);  // in no version
    if (ps_dies) {
      cluster.StartPs(1);
    } else {
      cluster.StartWorker(0);
    }
    epoch = cluster.AwaitTrainingAfter(epoch).epoch();
    CHECK(cluster.Read() == 28);
    CHECK(cluster.Counted() == 28);
    for (uint32_t rank = 0; rank < 2; ++rank) {
      CHECK(cluster.ps[rank]->epoch() == epoch);
      CHECK(cluster.workers[rank]->epoch() == epoch);
      CHECK(cluster.workers[rank]->sessions().back().states_size() == 2);
    }
  }
  CHECK(cluster.coordinator->status().rewinds() == 2);
}

TEST_CASE("a member that stays away is waited for by name", "[coordinator]") {
  FakeCluster cluster;
  cluster.options.member_timeout = milliseconds(1500);
  cluster.StartAll();
  const uint64_t epoch = cluster.coordinator->status().epoch();
  cluster.ps[0].reset();
  const auto forming = cluster.AwaitPhase(Phase::FORMING);
  CHECK(forming.waiting_for().find("ps-0 has been silent for") == 0);
  cluster.StartPs(0);
  cluster.AwaitTrainingAfter(epoch);
}

TEST_CASE("a worker that cannot go on makes all go back", "[coordinator]") {
  FakeCluster cluster;
  cluster.StartAll();
  const uint64_t epoch = cluster.coordinator->status().epoch();
  cluster.Train(3);
  cluster.workers[1]->FailSession("cannot read part-1.csv");
  const auto after = cluster.AwaitTrainingAfter(epoch);
  CHECK(after.rewinds() == 1);
  CHECK(cluster.Read() == 0);
  CHECK(cluster.Counted() == 0);
}

TEST_CASE("a serving node that dies is nobody's business", "[coordinator]") {
  FakeCluster cluster(1, 1, 1);
  cluster.StartAll();
  cluster.serving[0].reset();
  cluster.StartServing(0);
  cluster.Train(1);
  CHECK(cluster.CutNow().value() == 1);
  CHECK(cluster.coordinator->status().rewinds() == 0);
}

TEST_CASE("a step of recovery that fails is tried again with another epoch", "[coordinator]") {
  FakeCluster cluster;
  cluster.StartCoordinator();
  cluster.StartPs(0);
  cluster.StartPs(1);
  cluster.StartWorker(0);
  cluster.ps[1]->FailNext(rpc::Method::kRestore, ResourceExhausted("no memory"));
  cluster.ps[0]->FailNext(rpc::Method::kRestore, Unavailable("broke"));
  cluster.workers[0]->FailNext(rpc::Method::kStartSession, FailedPrecondition("part-0 is shorter"));
  cluster.StartWorker(1);
  const auto training = cluster.AwaitPhase(Phase::TRAINING);
  CHECK(training.epoch() == 3);  // both servers failed in the first
  CHECK(training.rewinds() == 0);
}

TEST_CASE("a coordinator that starts again takes a larger epoch, also without its state",
          "[coordinator]") {
  FakeCluster cluster;
  cluster.StartAll();
  cluster.Train(2);
  REQUIRE(cluster.CutNow().value() == 1);
  for (uint64_t epoch = 2; epoch <= 4; ++epoch) {
    cluster.StopCoordinator();
    if (epoch == 3) {
      std::filesystem::remove_all(cluster.options.state_dir);
    }
    if (epoch == 4) {  // only the members know of the last epochs
      std::filesystem::remove_all(cluster.options.state_dir);
      std::filesystem::remove_all(cluster.options.log_dir);
    }
    cluster.StartCoordinator();
    CHECK(cluster.AwaitPhase(Phase::TRAINING).epoch() >= epoch);
    CHECK(cluster.Read() == (epoch < 4 ? 4 : 0));
  }
}

TEST_CASE("a coordinator that stops makes a last version", "[coordinator]") {
  FakeCluster cluster;
  cluster.StartAll();
  cluster.Train(6);
  cluster.StopCoordinator();
  REQUIRE(cluster.Versions() == std::vector<uint64_t>{1});
  CHECK(cluster.ManifestOf(1).workers(0).positions(0).offset() == 6);
}

TEST_CASE("a coordinator stops in time although a member does not answer", "[coordinator]") {
  FakeCluster cluster;
  cluster.options.stop_timeout = milliseconds(100);
  cluster.StartAll();
  cluster.Train(6);
  cluster.workers[0]->HangNext(rpc::Method::kPause);
  cluster.StopCoordinator();
  CHECK(cluster.Versions().empty());
}

TEST_CASE("a coordinator stops while servers restore", "[coordinator]") {
  FakeCluster cluster(1, 1);
  cluster.StartCoordinator();
  cluster.StartPs(0);
  cluster.ps[0]->HangNext(rpc::Method::kRestore);
  cluster.StartWorker(0);
  cluster.journal.Await("ps-0 restore");
  cluster.StopCoordinator();
}

TEST_CASE("a damaged newest version is left for the one before, and serving is told so",
          "[coordinator]") {
  FakeCluster cluster(2, 2, 1);
  cluster.StartAll();
  cluster.Await([](const auto& status) { return status.members(4).up(); });
  for (int i = 0; i < 3; ++i) {
    cluster.Train(5);
    REQUIRE(cluster.CutNow().ok());
  }
  cluster.Damage(3);
  const uint64_t epoch = cluster.coordinator->status().epoch();
  cluster.StartPs(0);
  const auto after = cluster.AwaitTrainingAfter(epoch);
  CHECK(after.version() == 4);
  const proto::Manifest rollback = cluster.ManifestOf(4);
  CHECK(rollback.kind() == proto::Manifest::ROLLBACK);
  CHECK(rollback.parent() == 2);
  CHECK(rollback.parts_size() == 0);
  CHECK(rollback.workers(0).positions(0).offset() == 10);
  CHECK(cluster.Read() == 20);
  CHECK(cluster.Counted() == 20);
  cluster.Await([&](const auto&) { return cluster.serving[0]->noticed() == 4; });

  cluster.Train(1);
  REQUIRE(cluster.CutNow().value() == 5);
  CHECK(cluster.ManifestOf(5).parent() == 4);
  cluster.StartPs(1);
  cluster.AwaitTrainingAfter(after.epoch());
  CHECK(cluster.Counted() == 22);
}

TEST_CASE("a damaged manifest, and a part that is gone, are damage too", "[coordinator]") {
  FakeCluster cluster;
  cluster.StartAll();
  for (int i = 0; i < 3; ++i) {
    cluster.Train(5);
    REQUIRE(cluster.CutNow().ok());
  }
  cluster.StopCoordinator();
  const auto directory = [&](uint64_t version) {
    return cluster.log().VersionDirectory(VersionId(version));
  };
  REQUIRE(WriteFileAtomically(cluster.env.files, directory(3) + "/manifest.json", "{}").ok());
  REQUIRE(
      cluster.env.files.RemoveAll(directory(2) + "/" + cluster.ManifestOf(2).parts(0).name()).ok());
  cluster.StartCoordinator();
  const uint64_t version = cluster.AwaitPhase(Phase::TRAINING).version();
  CHECK(cluster.Read() == 10);
  CHECK(cluster.Counted() == 10);
  CHECK(version > 3);
  CHECK(cluster.ManifestOf(version).parent() == 1);
}

TEST_CASE("when nothing can be read whole, nothing is trained or thrown away", "[coordinator]") {
  FakeCluster cluster;
  cluster.StartAll();
  cluster.Train(5);
  REQUIRE(cluster.CutNow().value() == 1);
  cluster.Damage(1);
  cluster.StartPs(0);
  const auto stuck = cluster.Await([](const auto& status) {
    return status.phase() == Phase::RECOVERING &&
           status.waiting_for().find("can be read whole") != std::string::npos;
  });
  CHECK(stuck.waiting_for().find(cluster.options.log_dir) != std::string::npos);
  CHECK(cluster.Versions() == std::vector<uint64_t>{1});
  cluster.Damage(1);  // the same bit again: repaired
  cluster.AwaitPhase(Phase::TRAINING);
  CHECK(cluster.Counted() == 10);
}

TEST_CASE("damage that only a server sees is not taken for damage of the log", "[coordinator]") {
  FakeCluster cluster;
  cluster.StartAll();
  cluster.Train(5);
  REQUIRE(cluster.CutNow().value() == 1);
  cluster.Train(5);
  REQUIRE(cluster.CutNow().value() == 2);
  const uint64_t epoch = cluster.coordinator->status().epoch();
  cluster.ps[0]->FailNext(rpc::Method::kRestore, DataLoss("a bit flipped on the way"));
  cluster.StartPs(1);
  CHECK(cluster.AwaitTrainingAfter(epoch).version() == 2);
  CHECK(cluster.Counted() == 20);
}

TEST_CASE("a worker of another model is named, and nothing is trained", "[coordinator]") {
  FakeCluster cluster;
  cluster.StartCoordinator();
  cluster.StartMembers();
  proto::ModelSpec other = LedgerModel();
  other.set_factors(9);
  cluster.AwaitPhase(Phase::TRAINING);
  cluster.workers[1]->SetModel(other);
  cluster.StartPs(0);
  const auto stuck = cluster.Await([](const auto& status) {
    return status.waiting_for().find("worker-1 trains another model") != std::string::npos;
  });
  CHECK(stuck.waiting_for().find("factors") != std::string::npos);
  cluster.workers[1]->SetModel(LedgerModel());
  cluster.AwaitPhase(Phase::TRAINING);
}

TEST_CASE("what a cut left behind in a crash is removed by the next session", "[coordinator]") {
  FakeCluster cluster;
  const std::string leftover = cluster.log().VersionDirectory(VersionId(5));
  REQUIRE(cluster.env.files.CreateDirectories(leftover).ok());
  REQUIRE(WriteFileAtomically(cluster.env.files, leftover + "/part-0-0.safetensors", "x").ok());
  REQUIRE(cluster.env.files.CreateDirectories(cluster.options.log_dir + "/notes").ok());
  cluster.StartAll();
  CHECK(absl::IsNotFound(cluster.env.files.Stat(leftover).status()));
  CHECK(cluster.env.files.Stat(cluster.options.log_dir + "/notes").ok());
  cluster.Train(1);
  REQUIRE(cluster.CutNow().ok());
}

TEST_CASE("when all streams have ended, a last version is made and training is finished",
          "[coordinator]") {
  FakeCluster cluster;
  cluster.StartAll();
  cluster.Train(5);
  cluster.workers[0]->Finish();
  cluster.Train(1);
  cluster.workers[1]->Finish();
  const auto finished = cluster.AwaitPhase(Phase::FINISHED);
  CHECK(finished.version() == 1);
  const proto::Manifest manifest = cluster.ManifestOf(1);
  CHECK(manifest.workers(0).positions(0).finished());
  CHECK(manifest.workers(1).positions(0).finished());
  CHECK(manifest.workers(1).positions(0).offset() == 6);
  CHECK(cluster.CutNow().value() == 1);

  SECTION("a server that dies then does not undo it") {
    cluster.StartPs(0);
    cluster.AwaitTrainingAfter(finished.epoch());
    CHECK(cluster.Counted() == 12);
  }
}

TEST_CASE("with final_base the last version is a base, and is made once", "[coordinator]") {
  using M = proto::Manifest;
  FakeCluster cluster(1, 1);
  cluster.options.final_base = true;
  cluster.StartAll();
  cluster.Train(5);
  REQUIRE(cluster.CutNow().value() == 1);
  cluster.Train(5);
  REQUIRE(cluster.CutNow().value() == 2);
  REQUIRE(cluster.ManifestOf(2).kind() == M::DELTA);
  const bool more = GENERATE(false, true);
  if (more) {
    cluster.Train(1);
  }
  cluster.workers[0]->Finish();
  const auto finished = cluster.AwaitPhase(Phase::FINISHED);
  CHECK(finished.version() == 3);
  CHECK(cluster.ManifestOf(3).kind() == M::BASE);

  cluster.StopCoordinator();
  cluster.StartCoordinator();
  cluster.AwaitPhase(Phase::TRAINING);
  cluster.workers[0]->Finish();
  CHECK(cluster.AwaitPhase(Phase::FINISHED).version() == 3);
}

TEST_CASE("the report at the end has versions that are gone", "[coordinator]") {
  FakeCluster cluster(1, 1);
  cluster.options.report_dir = cluster.folder.path() + "/report";
  cluster.StartAll();
  for (int i = 0; i < 4; ++i) {
    cluster.Train(5);
    REQUIRE(cluster.CutNow().ok());
  }
  REQUIRE(cluster.Rollback(3).value() == 5);
  REQUIRE(cluster.Rollback(4).value() == 6);
  VersionLog log = cluster.log();
  for (const VersionId gone : {VersionId(1), VersionId(5)}) {
    REQUIRE(log.Retire(gone).ok());
    REQUIRE(log.RemoveFolder(gone).ok());
  }
  const bool ends = GENERATE(true, false);
  if (ends) {
    cluster.workers[0]->Finish();
    cluster.AwaitPhase(Phase::FINISHED);
  } else {
    cluster.StopCoordinator();
  }
  const StatusOr<std::string> csv =
      ReadFile(cluster.env.files, cluster.options.report_dir + "/versions.csv", 1U << 20U);
  REQUIRE(csv.ok());
  std::vector<std::string> versions;
  std::istringstream lines(*csv);
  for (std::string line; std::getline(lines, line);) {
    versions.push_back(line.substr(0, line.find(',')));
  }
  REQUIRE(versions.size() >= 7);
  versions.resize(7);
  CHECK(versions == std::vector<std::string>{"version", "1", "2", "3", "4", "5", "6"});
}

TEST_CASE("a model that was stopped early learns no more", "[coordinator]") {
  FakeCluster cluster(1, 2);
  cluster.options.early_stopping = EarlyStoppingSettings{.samples = 100};
  cluster.StartAll();
  cluster.Train(5);
  REQUIRE(cluster.CutNow().value() == 1);
  CHECK_FALSE(cluster.workers[0]->sessions().back().ended());
  cluster.StopCoordinator();
  VersionLog log = cluster.log();
  proto::Manifest stopped = cluster.ManifestOf(1);
  const uint64_t version = cluster.Versions().back() + 1;
  stopped.set_version(version);
  stopped.set_parent(1);
  stopped.set_kind(proto::Manifest::ROLLBACK);
  stopped.clear_parts();
  stopped.mutable_early_stopping()->set_stopped(true);
  REQUIRE(log.Prepare(VersionId(version)).ok());
  REQUIRE(log.Commit(stopped).ok());

  SECTION("in every session") {
    cluster.StartCoordinator();
    cluster.AwaitPhase(Phase::TRAINING);
    CHECK(cluster.workers[0]->sessions().back().ended());
    CHECK(cluster.workers[1]->sessions().back().ended());
  }
  SECTION("unless early stopping is no longer asked for") {
    cluster.options.early_stopping.reset();
    cluster.StartCoordinator();
    cluster.AwaitPhase(Phase::TRAINING);
    CHECK_FALSE(cluster.workers[0]->sessions().back().ended());
  }
}

TEST_CASE("a last cut that fails is made again", "[coordinator]") {
  FakeCluster cluster(1, 1);
  cluster.options.cut_every = milliseconds(50);
  cluster.StartAll();
  cluster.ps[0]->FailNext(rpc::Method::kWriteCut, ResourceExhausted("no space left"));
  cluster.ps[0]->FailNext(rpc::Method::kWriteCut, ResourceExhausted("no space left"));
  cluster.Train(5);
  cluster.workers[0]->Finish();
  const auto finished = cluster.AwaitPhase(Phase::FINISHED);
  CHECK(finished.failed_cuts() == 2);
  CHECK(cluster.ManifestOf(finished.version()).workers(0).positions(0).finished());
}

}  // namespace
}  // namespace freshet::coordinator
