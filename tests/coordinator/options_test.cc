#include "coordinator/options.h"

#include <catch2/catch.hpp>
#include <string>

namespace freshet::coordinator {
namespace {

JobConfig JobOf(const std::string& kind) {
  JobConfig job;
  job.model.set_kind(kind);
  return job;
}

void CheckRefused(const ClusterConfig& cluster, const JobConfig& job, const std::string& what) {
  const Status status = MakeOptions(cluster, job).status();
  INFO(status);
  CHECK(absl::IsInvalidArgument(status));
  CHECK_THAT(MessageOf(status), Catch::Contains(what));
}

}  // namespace

TEST_CASE("what a job does not have cannot be asked for", "[coordinator]") {
  ClusterConfig cluster;
  REQUIRE(MakeOptions(cluster, JobOf("fm")).ok());
  cluster.coordinator.gate.held_out = true;
  CheckRefused(cluster, JobOf("fm"), "coordinator.gate.held_out");
  cluster.coordinator.gate.held_out = false;
  cluster.coordinator.calibration = CalibrationRules{.log_dir = "daily", .max_log_loss_rise = 0.1};
  CheckRefused(cluster, JobOf("fm"), "coordinator.calibration.max_log_loss_rise");
  JobConfig scored = JobOf("fm");
  scored.evaluation.held_out_path = "held-out.csv";
  CHECK(MakeOptions(cluster, scored).ok());
}

TEST_CASE("a ledger is neither blended nor rounded", "[coordinator]") {
  ClusterConfig cluster;
  cluster.coordinator.calibration = CalibrationRules{.log_dir = "daily", .base_weight = 0.5};
  CheckRefused(cluster, JobOf("ledger"), "coordinator.calibration.base_weight");
  cluster.coordinator.calibration->base_weight = 1.0;
  CHECK(MakeOptions(cluster, JobOf("ledger")).ok());
  cluster.coordinator.serving_values = proto::INT8;
  CheckRefused(cluster, JobOf("ledger"), "coordinator.serving_values");
  CHECK(MakeOptions(cluster, JobOf("fm")).ok());
}

TEST_CASE("the standard input has one worker", "[coordinator]") {
  ClusterConfig cluster;
  cluster.worker.hosts = {"127.0.0.1", "127.0.0.1"};
  JobConfig job = JobOf("fm");
  job.receive = ReceiveSettings{};
  CheckRefused(cluster, job, "stdin");
  job.receive->from = ReceiveSettings::From::kZmq;
  CHECK(MakeOptions(cluster, job).ok());
  cluster.worker.hosts.resize(1);
  job.receive->from = ReceiveSettings::From::kStdin;
  CHECK(MakeOptions(cluster, job).ok());
}

}  // namespace freshet::coordinator
