#include "coordinator/status.h"

#include <catch2/catch.hpp>

#include "common/metrics/evaluation.h"
#include "tests/coordinator/manual_clock.h"

namespace freshet::coordinator {
namespace {

struct Fixture {
  static Options Cluster() {
    Options options;
    options.servers = 2;
    options.workers = 2;
    options.serving = 3;
    return options;
  }

  ManualClock clock;
  Membership membership{Cluster(), clock, [] {}};

  void Report(proto::Role role, uint32_t rank, const proto::MemberReport& report) {
    proto::JoinRequest join;
    join.set_role(role);
    join.set_rank(rank);
    join.set_instance(100 + rank);
    join.set_address("host:1");
    REQUIRE(membership.Join(join).ok());
    proto::HeartbeatRequest heartbeat;
    heartbeat.set_role(role);
    heartbeat.set_rank(rank);
    heartbeat.set_instance(100 + rank);
    *heartbeat.mutable_report() = report;
    REQUIRE(membership.Heartbeat(heartbeat));
  }

  void Serve(uint32_t rank, uint64_t version, int64_t newest_arrival_ms) {
    proto::MemberReport report;
    report.set_version(version);
    report.set_newest_arrival_ms(newest_arrival_ms);
    Report(proto::SERVING, rank, report);
  }

  proto::StatusResponse Status(int64_t now_ms = 0) const {
    return BuildStatus(Progress(), membership, now_ms);
  }
};

TEST_CASE("samples, rows and evaluations are those of all members together", "[coordinator]") {
  Fixture fixture;
  EvaluationSums both;
  for (uint32_t rank = 0; rank < 2; ++rank) {
    EvaluationSums sums;
    const float score = rank == 0 ? 0.9F : 0.2F;
    sums.Add(score, 0.25F, rank == 0 ? 1.0F : 0.0F, 1.0F);
    both.Add(score, 0.25F, rank == 0 ? 1.0F : 0.0F, 1.0F);
    proto::MemberReport report;
    report.set_samples(10 + rank);
    *report.mutable_evaluation() = sums.ToProto();
    fixture.Report(proto::WORKER, rank, report);
    proto::MemberReport rows;
    rows.set_rows(100 + rank);
    fixture.Report(proto::PS, rank, rows);
  }
  const auto status = fixture.Status();
  CHECK(status.samples() == 21);
  CHECK(status.rows() == 201);
  CHECK(status.auc() == 1.0);  // each worker alone has no pair
  CHECK(status.log_loss() == both.MeanLogLoss());
  CHECK(status.calibration() == both.Calibration());
  CHECK(status.members_size() == 7);
  CHECK_FALSE(status.members(2).report().has_evaluation());
}

TEST_CASE("freshness is that of the serving node that is furthest behind", "[coordinator]") {
  Fixture fixture;
  CHECK(fixture.Status(10'000).freshness_ms() == -1);
  CHECK(fixture.Status(10'000).served_version() == 0);
  fixture.Serve(0, 7, 9'500);
  fixture.Serve(1, 5, 8'000);
  fixture.Serve(2, 0, 0);  // serves nothing yet
  CHECK(fixture.Status(10'000).freshness_ms() == 2'000);
  CHECK(fixture.Status(10'000).served_version() == 5);
  fixture.Serve(1, 8, 9'900);
  CHECK(fixture.Status(10'000).freshness_ms() == 500);
  CHECK(fixture.Status(9'000).freshness_ms() == 0);  // clocks of two hosts
}

TEST_CASE("a version without samples has no freshness", "[coordinator]") {
  Fixture fixture;
  fixture.Serve(0, 1, 0);
  CHECK(fixture.Status(10'000).freshness_ms() == -1);
  CHECK(fixture.Status(10'000).served_version() == 1);
}

TEST_CASE("a serving node that is gone does not hold freshness back", "[coordinator]") {
  Fixture fixture;
  fixture.Serve(1, 5, 8'000);
  fixture.clock.Advance(std::chrono::seconds(10));
  fixture.Serve(0, 7, 9'500);
  CHECK(fixture.Status(10'000).served_version() == 7);
}

}  // namespace
}  // namespace freshet::coordinator
