// Bases of another job, that cannot be had: with fake members and real logs.
#include "coordinator/base_watcher.h"

#include <catch2/catch.hpp>
#include <string>

#include "common/job/job_config.h"
#include "tests/coordinator/fake_cluster.h"

namespace freshet::coordinator {
namespace {

// Takes in what is published in a folder beside the log.
struct Calibrated : FakeCluster {
  Calibrated() : other(LocalFileSystem(), folder.path() + "/daily") {
    options.calibration = CalibrationRules{.log_dir = other.directory(), .every_ms = 10};
  }

  // A version without rows.
  void Publish(uint64_t version, bool published) {
    proto::Manifest manifest;
    manifest.set_version(version);
    manifest.set_kind(proto::Manifest::BASE);
    manifest.set_epoch(1);
    manifest.set_created_unix_ms(1000 + static_cast<int64_t>(version));
    *manifest.mutable_model() = options.model;
    manifest.set_config_xxh3(ModelHash(options.model));
    manifest.set_partition_count(options.partition_count);
    manifest.set_published(published);
    REQUIRE(other.Prepare(VersionId(version)).ok());
    const Status status = other.Commit(manifest);
    INFO(status);
    REQUIRE(status.ok());
  }

  std::vector<std::string> Events(const std::string& kind) {
    proto::EventsRequest request;
    request.add_kinds(kind);
    request.set_limit(100);
    const auto channel = transport->Connect(FakeCluster::kAddress);
    const auto response = rpc::CallAndWait<proto::EventsResponse>(
        *channel, rpc::Method::kEvents, request, std::chrono::seconds(60));
    REQUIRE(response.ok());
    std::vector<std::string> texts;
    for (const proto::Event& event : response->events()) {
      texts.push_back(event.text());
    }
    return texts;
  }

  std::string AwaitEvent(const std::string& kind) {
    for (int i = 0; i < 2000; ++i) {
      if (const auto texts = Events(kind); !texts.empty()) {
        return texts.back();
      }
      SystemClock().SleepFor(std::chrono::milliseconds(5));
    }
    FAIL("no event " << kind);
    return "";
  }

  VersionLog other;
};

}  // namespace

TEST_CASE("a base that a server cannot load is refused, and training goes on", "[coordinator]") {
  Calibrated cluster;
  cluster.StartAll();
  cluster.Train(5);
  REQUIRE(cluster.CutNow().ok());
  // A server that must not read the files of others, say.
  cluster.ps[0]->FailNext(rpc::Method::kRestore, FailedPrecondition("permission denied"));
  cluster.Publish(1, true);
  CHECK_THAT(cluster.AwaitEvent("base_refused"), Catch::Contains("permission denied"));
  cluster.AwaitPhase(proto::StatusResponse::TRAINING);
  CHECK(cluster.Events("base_taken_in").empty());
  CHECK(cluster.Events("base_found").size() == 1);
}

TEST_CASE("a base that brings no version in several tries is refused", "[coordinator]") {
  Calibrated cluster;
  cluster.StartAll();
  cluster.Train(5);
  REQUIRE(cluster.CutNow().ok());
  for (int i = 0; i < 8; ++i) {
    cluster.ps[1]->FailNext(rpc::Method::kRestore, Unavailable("not today"));
  }
  cluster.Publish(1, true);
  CHECK_THAT(cluster.AwaitEvent("base_refused"), Catch::Contains("not today"));
  cluster.AwaitPhase(proto::StatusResponse::TRAINING);
}

TEST_CASE("a base with which no job has ended is left alone", "[coordinator]") {
  Calibrated cluster;
  cluster.StartAll();
  cluster.Publish(1, false);
  cluster.Publish(2, true);
  // The second one is found, so the first one was seen.
  CHECK_THAT(cluster.AwaitEvent("base_found"), Catch::Contains("version 2 of"));
  CHECK(cluster.Events("base_found").size() == 1);
}

}  // namespace freshet::coordinator
