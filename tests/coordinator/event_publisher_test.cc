#include "coordinator/event_publisher.h"

#include <catch2/catch.hpp>
#include <zmq.hpp>

#include "tests/coordinator/fake_cluster.h"

namespace freshet::coordinator {

TEST_CASE("events are published to those who have subscribed to their kind", "[coordinator]") {
  FakeCluster cluster;
  cluster.options.publish = "ipc://" + cluster.folder.path() + "/events";
  cluster.StartAll();
  zmq::context_t context;
  zmq::socket_t subscriber(context, zmq::socket_type::sub);
  subscriber.set(zmq::sockopt::rcvtimeo, 20'000);
  subscriber.connect(cluster.options.publish);
  subscriber.set(zmq::sockopt::subscribe, "version_committed");
  // What is recorded before the subscription has arrived is missed.
  uint64_t committed = 0;
  zmq::message_t kind;
  for (int i = 0; i < 200 && kind.empty(); ++i) {
    cluster.Train(5);
    committed = cluster.CutNow().value();
    SystemClock().SleepFor(std::chrono::milliseconds(20));
    (void)subscriber.recv(kind, zmq::recv_flags::dontwait);
  }
  REQUIRE(kind.to_string() == "version_committed");
  zmq::message_t json;
  REQUIRE(subscriber.recv(json, zmq::recv_flags::none).has_value());
  CHECK_THAT(json.to_string(), Catch::Contains(fmt::format("\"version\":\"{}\"", committed)));
  CHECK_THAT(json.to_string(), Catch::Contains("\"kind\":\"version_committed\""));
}

TEST_CASE("an address that cannot be bound is told at the start", "[coordinator]") {
  const FakeCluster cluster;
  const auto store = StateStore::Open(cluster.folder.path() + "/state-of-its-own");
  REQUIRE(store.ok());
  EventLog events(**store, SystemClock());
  const auto started = EventPublisher::Start("nowhere", events);
  CHECK(absl::IsInvalidArgument(started.status()));
  CHECK_THAT(MessageOf(started.status()), Catch::Contains("coordinator.publish"));
}

}  // namespace freshet::coordinator
