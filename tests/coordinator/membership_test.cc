#include "coordinator/membership.h"

#include <catch2/catch.hpp>

#include "tests/coordinator/manual_clock.h"

namespace freshet::coordinator {
namespace {

using std::chrono::milliseconds;

struct Fixture {
  static Options SmallCluster() {
    Options options;
    options.servers = 1;
    options.workers = 2;
    options.serving = 1;
    options.member_timeout = milliseconds(3000);
    return options;
  }

  ManualClock clock;
  int news = 0;
  Membership membership{SmallCluster(), clock, [this] { ++news; }};

  Status Join(proto::Role role, uint32_t rank, uint64_t instance) {
    proto::JoinRequest request;
    request.set_role(role);
    request.set_rank(rank);
    request.set_instance(instance);
    request.set_address(fmt::format("host:{}", instance));
    return membership.Join(request);
  }

  bool Beat(proto::Role role,
            uint32_t rank,
            uint64_t instance,
            const proto::MemberReport& report = {}) {
    proto::HeartbeatRequest request;
    request.set_role(role);
    request.set_rank(rank);
    request.set_instance(instance);
    *request.mutable_report() = report;
    return membership.Heartbeat(request);
  }
};

TEST_CASE("training waits for each server and worker, by name, and for no serving node",
          "[coordinator]") {
  Fixture fixture;
  CHECK(fixture.membership.Missing() ==
        "ps-0 has not joined, worker-0 has not joined, worker-1 has not joined");
  REQUIRE(fixture.Join(proto::PS, 0, 10).ok());
  REQUIRE(fixture.Join(proto::WORKER, 1, 11).ok());
  CHECK(fixture.membership.Missing() == "worker-0 has not joined");
  REQUIRE(fixture.Join(proto::WORKER, 0, 12).ok());
  CHECK(fixture.membership.Missing().empty());
}

TEST_CASE("a member is up until it is silent for longer than the timeout", "[coordinator]") {
  Fixture fixture;
  REQUIRE(fixture.Join(proto::PS, 0, 10).ok());
  const auto session = fixture.membership.Up(proto::PS);
  REQUIRE(session.size() == 1);
  fixture.clock.Advance(milliseconds(2000));
  REQUIRE(fixture.Beat(proto::PS, 0, 10));
  fixture.clock.Advance(milliseconds(3000));
  CHECK(fixture.membership.Lost(session).empty());
  fixture.clock.Advance(milliseconds(1));
  CHECK(fixture.membership.Lost(session) == "ps-0 has been silent for 3.0 s");
  CHECK(fixture.membership.Up(proto::PS).empty());
  CHECK_FALSE(fixture.membership.ReportOf(session[0]).has_value());
  // It was only slow.
  CHECK(fixture.Beat(proto::PS, 0, 10));
  CHECK(fixture.membership.Lost(session).empty());
}

TEST_CASE("another instance at the rank is a death, and the one before never comes back",
          "[coordinator]") {
  Fixture fixture;
  REQUIRE(fixture.Join(proto::PS, 0, 10).ok());
  const auto session = fixture.membership.Up(proto::PS);
  REQUIRE(fixture.Join(proto::PS, 0, 20).ok());
  CHECK(fixture.membership.Lost(session) == "ps-0 was started again");
  CHECK_FALSE(fixture.Beat(proto::PS, 0, 10));
  const Status refused = fixture.Join(proto::PS, 0, 10);
  CHECK(absl::IsAlreadyExists(refused));
  CHECK(MessageOf(refused) == "ps-0 is another process by now, at host:20");
  CHECK(fixture.Beat(proto::PS, 0, 20));
}

TEST_CASE("a member that joins again as the same instance has not died", "[coordinator]") {
  Fixture fixture;
  REQUIRE(fixture.Join(proto::PS, 0, 10).ok());
  const auto session = fixture.membership.Up(proto::PS);
  REQUIRE(fixture.Join(proto::PS, 0, 10).ok());
  CHECK(fixture.membership.Lost(session).empty());
}

TEST_CASE("a heartbeat of nobody is answered as unknown", "[coordinator]") {
  Fixture fixture;
  CHECK_FALSE(fixture.Beat(proto::PS, 0, 10));
  CHECK_FALSE(fixture.Beat(proto::PS, 0, 0));
  CHECK_FALSE(fixture.Beat(proto::PS, 7, 10));
}

TEST_CASE("a place that the cluster does not have is refused by name", "[coordinator]") {
  Fixture fixture;
  const Status refused = fixture.Join(proto::WORKER, 2, 10);
  CHECK(absl::IsInvalidArgument(refused));
  CHECK(MessageOf(refused).find("worker-2") != std::string::npos);
  CHECK(absl::IsInvalidArgument(fixture.Join(proto::COORDINATOR, 0, 10)));
  CHECK(absl::IsInvalidArgument(fixture.Join(proto::PS, 0, 0)));
}

TEST_CASE("only joins and reports to act upon are news", "[coordinator]") {
  Fixture fixture;
  REQUIRE(fixture.Join(proto::WORKER, 0, 10).ok());
  CHECK(fixture.news == 1);
  proto::MemberReport report;
  report.set_samples(5);
  REQUIRE(fixture.Beat(proto::WORKER, 0, 10, report));
  CHECK(fixture.news == 1);
  report.set_error("cannot read");
  REQUIRE(fixture.Beat(proto::WORKER, 0, 10, report));
  CHECK(fixture.news == 2);
  REQUIRE(fixture.Beat(proto::WORKER, 0, 10, report));
  CHECK(fixture.news == 2);
  report.set_finished(true);
  REQUIRE(fixture.Beat(proto::WORKER, 0, 10, report));
  CHECK(fixture.news == 3);
}

TEST_CASE("the largest epoch that a member speaks of is kept", "[coordinator]") {
  Fixture fixture;
  REQUIRE(fixture.Join(proto::WORKER, 0, 10).ok());
  proto::MemberReport report;
  report.set_epoch(7);
  REQUIRE(fixture.Beat(proto::WORKER, 0, 10, report));
  report.set_epoch(5);
  REQUIRE(fixture.Beat(proto::WORKER, 0, 10, report));
  CHECK(fixture.membership.LargestEpoch() == 7);
}

TEST_CASE("everyone is listed, also who never came", "[coordinator]") {
  Fixture fixture;
  REQUIRE(fixture.Join(proto::SERVING, 0, 10).ok());
  const auto everyone = fixture.membership.Everyone();
  REQUIRE(everyone.size() == 4);
  CHECK_FALSE(everyone[0].up());
  CHECK(everyone[3].role() == proto::SERVING);
  CHECK(everyone[3].up());
  CHECK(everyone[3].address() == "host:10");
}

}  // namespace
}  // namespace freshet::coordinator
