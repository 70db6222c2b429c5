#include "coordinator/cut.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/coordinator/fake_cluster.h"

namespace freshet::coordinator {
namespace {

using std::chrono::milliseconds;

proto::HoldResponse HoldAt(uint64_t step, bool finished = false) {
  proto::HoldResponse hold;
  hold.set_step(step);
  hold.set_finished(finished);
  return hold;
}

// Where the entry stands first; the size if it does not.
size_t PositionOf(const std::vector<std::string>& entries, const std::string& entry) {
  return std::find(entries.begin(), entries.end(), entry) - entries.begin();
}

TEST_CASE("bsp cuts at the smallest step begun, finished workers aside", "[coordinator]") {
  CHECK(BspCutStep({HoldAt(5), HoldAt(4), HoldAt(6)}) == 4);
  CHECK(BspCutStep({HoldAt(9), HoldAt(3, true)}) == 9);
  CHECK(BspCutStep({HoldAt(4), HoldAt(5, true)}) == 4);
  CHECK(BspCutStep({HoldAt(7, true), HoldAt(3, true)}) == 7);
  CHECK(BspCutStep({HoldAt(0)}) == 0);
}

TEST_CASE("a cut holds, pauses, flips, resumes, writes and commits in this order",
          "[coordinator]") {
  FakeCluster cluster;
  cluster.StartAll();
  cluster.Train(10);
  cluster.journal.Clear();
  REQUIRE(cluster.CutNow().value() == 1);
  const auto entries = cluster.journal.entries();
  const std::vector<std::string> steps = {"hold", "pause", "cut", "resume", "write", "committed"};
  for (size_t i = 1; i < steps.size(); ++i) {
    for (const auto& earlier : {"worker-0 ", "worker-1 ", "ps-0 ", "ps-1 "}) {
      for (const auto& later : {"worker-0 ", "worker-1 ", "ps-0 ", "ps-1 "}) {
        const size_t before = PositionOf(entries, earlier + steps[i - 1]);
        const size_t after = PositionOf(entries, later + steps[i]);
        if (before < entries.size() && after < entries.size()) {
          CHECK(before < after);
        }
      }
    }
  }
  CHECK(entries.size() == 2 * 3 + 2 * 4);  // "end" and "committed" are one message
}

TEST_CASE("a manifest says what the version is made of", "[coordinator]") {
  FakeCluster cluster;
  cluster.StartAll();
  cluster.Train(10);
  REQUIRE(cluster.CutNow().value() == 1);
  cluster.Train(7);
  REQUIRE(cluster.CutNow().value() == 2);
  const proto::Manifest manifest = cluster.ManifestOf(2);
  CHECK(manifest.parent() == 1);
  CHECK(manifest.kind() == proto::Manifest::DELTA);
  CHECK(manifest.epoch() == cluster.coordinator->status().epoch());
  CHECK(manifest.parts_size() == 2);
  CHECK(manifest.parts(1).server() == 1);
  CHECK(manifest.model().kind() == "ledger");
  CHECK(manifest.config_xxh3() == ModelHash(cluster.options.model));
  CHECK(manifest.partition_count() == 16);
  REQUIRE(manifest.workers_size() == 2);
  CHECK(manifest.workers(1).worker() == 1);
  CHECK(manifest.workers(1).positions(0).offset() == 17);
  CHECK(manifest.event_time_watermark_ms() == 1017);
  CHECK(manifest.newest_arrival_ms() == 2017);
  CHECK(manifest.metrics().samples() == 14);
  CHECK(manifest.metrics().total_samples() == 34);
  const auto status = cluster.coordinator->status();
  CHECK(status.version() == 2);
  CHECK(status.cuts() == 2);
  CHECK(status.failed_cuts() == 0);
  CHECK(status.cut_pause_ms() > 0);
  CHECK(status.event_time_watermark_ms() == 1017);
}

TEST_CASE("the first version is a base, and a chain of base_every versions becomes one",
          "[coordinator]") {
  FakeCluster cluster(1, 1);
  cluster.options.base_every = 3;
  cluster.StartAll();
  const auto chain_of = [&cluster](uint64_t version) {
    const std::vector<proto::Manifest> chain = cluster.log().Chain(VersionId(version)).value();
    std::vector<uint64_t> versions;
    for (const proto::Manifest& manifest : chain) {
      versions.push_back(manifest.version());
    }
    return versions;
  };
  for (uint64_t version = 1; version <= 7; ++version) {
    cluster.Train(1);
    REQUIRE(cluster.CutNow().value() == version);
    CHECK(cluster.ManifestOf(version).kind() ==
          (version == 1 ? proto::Manifest::BASE : proto::Manifest::DELTA));
    if (version > 1 && version % 2 == 1) {
      cluster.AwaitCompacted(version);
    }
  }
  CHECK(chain_of(2) == std::vector<uint64_t>{1, 2});
  CHECK(chain_of(6) == std::vector<uint64_t>{5, 6});
  CHECK(chain_of(7) == std::vector<uint64_t>{7});
  // Also across a restart.
  cluster.Train(1);
  REQUIRE(cluster.CutNow().value() == 8);
  cluster.StopCoordinator();
  cluster.StartCoordinator();
  cluster.AwaitPhase(proto::StatusResponse::TRAINING);
  CHECK(cluster.Counted() == 8);
  cluster.Train(1);
  const uint64_t newest = cluster.CutNow().value();
  cluster.AwaitCompacted(newest);
  CHECK(chain_of(newest) == std::vector{newest});
}

TEST_CASE("without training in between no version is made", "[coordinator]") {
  FakeCluster cluster;
  cluster.StartAll();
  cluster.Train(1);
  REQUIRE(cluster.CutNow().value() == 1);
  cluster.journal.Clear();
  CHECK(cluster.CutNow().value() == 1);
  CHECK(cluster.journal.Count("ps-0 cut") == 0);
  CHECK(cluster.journal.Count("worker-0 resume") == 1);
  CHECK_FALSE(cluster.workers[0]->held());
  cluster.Train(1);
  CHECK(cluster.CutNow().value() == 2);
}

TEST_CASE("an empty log gets its first version when it is asked for", "[coordinator]") {
  FakeCluster cluster;
  cluster.StartAll();
  CHECK(cluster.CutNow().value() == 1);
  CHECK(cluster.ManifestOf(1).kind() == proto::Manifest::BASE);
}

TEST_CASE("cuts come by themselves, while there is something new", "[coordinator]") {
  FakeCluster cluster;
  cluster.options.cut_every = milliseconds(3);
  cluster.StartAll();
  cluster.journal.Await("worker-0 hold", 3);
  CHECK(cluster.Versions().empty());
  cluster.Train(1);
  cluster.Await([](const auto& status) { return status.version() >= 1; });
  const size_t held = cluster.journal.Count("worker-0 hold");
  cluster.journal.Await("worker-0 hold", held + 3);
  const uint64_t version = cluster.coordinator->status().version();
  CHECK(cluster.Versions().size() == cluster.coordinator->status().cuts());
  CHECK(cluster.ManifestOf(version).workers(0).positions(0).offset() == 1);
}

struct Failure {
  const char* step;
  rpc::Method method;
  bool of_worker;
};

constexpr Failure kFailures[] = {{"hold", rpc::Method::kHold, true},
                                 {"pause", rpc::Method::kPause, true},
                                 {"cut", rpc::Method::kCut, false},
                                 {"write", rpc::Method::kWriteCut, false}};

FakeMember& FailingMember(FakeCluster& cluster, const Failure& failure) {
  return failure.of_worker ? static_cast<FakeMember&>(*cluster.workers[1]) : *cluster.ps[1];
}

TEST_CASE("a step that is refused leaves no version, and all in the next", "[coordinator]") {
  FakeCluster cluster;
  cluster.StartAll();
  cluster.Train(3);
  REQUIRE(cluster.CutNow().value() == 1);
  const uint64_t epoch = cluster.coordinator->status().epoch();
  uint64_t failed = 0;
  for (const Failure& failure : kFailures) {
    CAPTURE(failure.step);
    cluster.Train(5);
    FailingMember(cluster, failure).FailNext(failure.method, ResourceExhausted("no space left"));
    const auto before = cluster.Versions();
    const auto refused = cluster.CutNow();
    CHECK(absl::IsResourceExhausted(refused.status()));
    CHECK(MessageOf(refused.status()) ==
          (failure.of_worker ? "worker-1: no space left" : "ps-1: no space left"));
    CHECK(cluster.Versions() == before);
    CHECK(cluster.log().LargestUsed().value() == VersionId(before.back()));
    CHECK_FALSE(cluster.workers[0]->held());
    CHECK_FALSE(cluster.workers[1]->held());
    CHECK(cluster.coordinator->status().failed_cuts() == ++failed);

    cluster.Train(2);
    const auto version = cluster.CutNow();
    REQUIRE(version.ok());
    CHECK(*version > before.back());
    const proto::Manifest manifest = cluster.ManifestOf(*version);
    CHECK(manifest.parent() == before.back());
    CHECK(manifest.metrics().samples() == 14);  // the window of the failed cut, too
    CHECK(manifest.parts(0).rows() == 1);
  }
  CHECK(cluster.coordinator->status().epoch() == epoch);
  CHECK(cluster.coordinator->status().rewinds() == 0);

  // What was committed is the truth: a new session has it all.
  cluster.StartPs(0);
  cluster.AwaitTrainingAfter(epoch);
  CHECK(cluster.Counted() == cluster.Read());
  CHECK(cluster.Read() == 2 * (3 + 4 * 7));
}

TEST_CASE("a step that is slow leaves no version, and the session goes on", "[coordinator]") {
  FakeCluster cluster;
  cluster.StartAll();
  const uint64_t epoch = cluster.coordinator->status().epoch();
  for (const Failure& failure : kFailures) {
    CAPTURE(failure.step);
    cluster.Train(5);
    FailingMember(cluster, failure).FailNext(failure.method, DeadlineExceeded("slow"));
    CHECK(absl::IsDeadlineExceeded(cluster.CutNow().status()));
    CHECK(cluster.CutNow().ok());
  }
  CHECK(cluster.coordinator->status().epoch() == epoch);
}

TEST_CASE("a step that is never answered ends at its timeout", "[coordinator]") {
  FakeCluster cluster;
  cluster.options.rpc_timeout = milliseconds(200);
  cluster.StartAll();
  cluster.Train(1);
  cluster.workers[0]->HangNext(rpc::Method::kPause);
  CHECK(absl::IsDeadlineExceeded(cluster.CutNow().status()));
  CHECK(cluster.Versions().empty());
}

TEST_CASE("a broken connection or another epoch in a cut ends the session", "[coordinator]") {
  for (const Failure& failure : kFailures) {
    for (const Status& status : {Unavailable("broke"), Aborted("another epoch")}) {
      CAPTURE(failure.step, status.ToString());
      FakeCluster cluster;
      cluster.StartAll();
      cluster.Train(3);
      REQUIRE(cluster.CutNow().value() == 1);
      const uint64_t epoch = cluster.coordinator->status().epoch();
      cluster.Train(5);
      FailingMember(cluster, failure).FailNext(failure.method, status);
      CHECK(cluster.CutNow().status().code() == status.code());
      const auto after = cluster.AwaitTrainingAfter(epoch);
      CHECK(after.version() == 1);
      CHECK(after.rewinds() == 1);
      CHECK(cluster.Read() == 6);
      CHECK(cluster.Counted() == 6);
    }
  }
}

TEST_CASE("a cut that cannot be undone, or whose workers cannot go on, ends the session",
          "[coordinator]") {
  FakeCluster cluster;
  cluster.StartAll();
  const uint64_t first = cluster.coordinator->status().epoch();
  cluster.Train(5);
  cluster.ps[0]->FailNext(rpc::Method::kWriteCut, ResourceExhausted("no space left"));
  cluster.ps[1]->FailNext(rpc::Method::kEndCut, DeadlineExceeded("slow"));
  CHECK(absl::IsResourceExhausted(cluster.CutNow().status()));
  const uint64_t second = cluster.AwaitTrainingAfter(first).epoch();
  cluster.Train(5);
  cluster.workers[1]->FailNext(rpc::Method::kResume, DeadlineExceeded("slow"));
  CHECK(absl::IsDeadlineExceeded(cluster.CutNow().status()));
  cluster.AwaitTrainingAfter(second);
  CHECK(cluster.Versions().empty());
}

TEST_CASE("a version that is committed stays, even if ending its cut fails", "[coordinator]") {
  FakeCluster cluster;
  cluster.StartAll();
  const uint64_t epoch = cluster.coordinator->status().epoch();
  cluster.Train(5);
  cluster.ps[1]->FailNext(rpc::Method::kEndCut, DeadlineExceeded("slow"));
  CHECK(cluster.CutNow().value() == 1);
  const auto after = cluster.AwaitTrainingAfter(epoch);
  CHECK(after.version() == 1);
  CHECK(after.failed_cuts() == 0);
  CHECK(cluster.Read() == 10);
  CHECK(cluster.Counted() == 10);
}

TEST_CASE("cuts that fail again and again end the session, but not a full disk", "[coordinator]") {
  FakeCluster cluster;
  cluster.StartAll();
  const uint64_t epoch = cluster.coordinator->status().epoch();
  cluster.Train(1);
  for (int i = 0; i < 12; ++i) {
    cluster.ps[0]->FailNext(rpc::Method::kWriteCut, ResourceExhausted("no space left"));
    CHECK_FALSE(cluster.CutNow().ok());
  }
  CHECK(cluster.coordinator->status().rewinds() == 0);
  for (int i = 0; i < 10; ++i) {
    cluster.ps[0]->FailNext(rpc::Method::kWriteCut, Internal("odd"));
    CHECK_FALSE(cluster.CutNow().ok());
  }
  CHECK(cluster.AwaitTrainingAfter(epoch).rewinds() == 1);
}

TEST_CASE("bsp pauses all workers at the smallest step, asp each at its own", "[coordinator]") {
  for (const bool bsp : {true, false}) {
    FakeCluster cluster;
    cluster.options.bsp = bsp;
    cluster.StartAll();
    CHECK(cluster.ps[0]->last_restore().bsp() == bsp);
    cluster.workers[0]->Train(1);
    cluster.workers[1]->Train(1);
    cluster.workers[1]->Train(1);
    REQUIRE(cluster.CutNow().ok());
    CHECK(cluster.workers[0]->last_pause_step() == 1);
    CHECK(cluster.workers[1]->last_pause_step() == (bsp ? 1 : 2));
  }
}

TEST_CASE("numbers of failed cuts are never used again, not even by another coordinator",
          "[coordinator]") {
  FakeCluster cluster;
  cluster.StartAll();
  cluster.Train(1);
  cluster.ps[0]->FailNext(rpc::Method::kWriteCut, ResourceExhausted("no space left"));
  CHECK_FALSE(cluster.CutNow().ok());
  cluster.ps[0]->FailNext(rpc::Method::kWriteCut, Unavailable("broke"));
  CHECK_FALSE(cluster.CutNow().ok());
  cluster.AwaitPhase(proto::StatusResponse::TRAINING);
  cluster.StopCoordinator();
  cluster.StartCoordinator();
  cluster.AwaitPhase(proto::StatusResponse::TRAINING);
  cluster.Train(1);
  CHECK(cluster.CutNow().value() > 2);
}

}  // namespace
}  // namespace freshet::coordinator
