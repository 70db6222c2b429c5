#include "common/cluster/member.h"

#include <catch2/catch.hpp>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/rpc/typed.h"

namespace freshet {
namespace {

// Plays the coordinator: keeps what it is told, and answers as it is told to.
class FakeCoordinator {
 public:
  FakeCoordinator(rpc::Transport& transport, const std::string& address)
      : server_(transport.Listen(address).value()) {
    rpc::HandleTyped<proto::JoinRequest>(
        *server_,
        rpc::Method::kJoin,
        [this](const proto::JoinRequest& request, const Buffer&, rpc::Responder respond) {
          const std::lock_guard lock(mutex_);
          joins_.push_back(request);
          known_.insert(request.instance());
          changed_.notify_all();
          proto::JoinResponse response;
          response.set_heartbeat_ms(heartbeat_ms_);
          respond(rpc::MakeMessage(response));
        });
    rpc::HandleTyped<proto::HeartbeatRequest>(
        *server_,
        rpc::Method::kHeartbeat,
        [this](const proto::HeartbeatRequest& request, const Buffer&, rpc::Responder respond) {
          const std::lock_guard lock(mutex_);
          heartbeats_.push_back(request);
          changed_.notify_all();
          if (mute_) {
            unanswered_.push_back(std::move(respond));
            return;
          }
          proto::HeartbeatResponse response;
          response.set_known(known_.count(request.instance()) > 0);
          response.set_training_finished(finished_);
          respond(rpc::MakeMessage(response));
        });
  }

  void Start() { server_->Start(); }

  void SetHeartbeatMs(uint32_t ms) {
    const std::lock_guard lock(mutex_);
    heartbeat_ms_ = ms;
  }

  void Forget() {
    const std::lock_guard lock(mutex_);
    known_.clear();
  }

  void Finish() {
    const std::lock_guard lock(mutex_);
    finished_ = true;
  }

  void Mute() {
    const std::lock_guard lock(mutex_);
    mute_ = true;
  }

  std::vector<proto::JoinRequest> AwaitJoins(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return joins_.size() >= count; });
    return joins_;
  }

  std::vector<proto::HeartbeatRequest> AwaitHeartbeats(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return heartbeats_.size() >= count; });
    return heartbeats_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  uint32_t heartbeat_ms_ = 5;
  bool finished_ = false;
  bool mute_ = false;
  std::set<uint64_t> known_;
  std::vector<proto::JoinRequest> joins_;
  std::vector<proto::HeartbeatRequest> heartbeats_;
  std::vector<rpc::Responder> unanswered_;
  std::unique_ptr<rpc::Server> server_;
};

struct Fixture {
  std::unique_ptr<rpc::Transport> transport = rpc::MakeInProcessTransport();
  Env env{SystemClock(), SystemRandom(), LocalFileSystem(), *transport};

  static MemberOptions OptionsFor(std::function<StatusOr<std::string>()> locate) {
    MemberOptions options;
    options.identity.set_role(proto::WORKER);
    options.identity.set_rank(3);
    options.identity.set_address("worker-3:1");
    options.identity.set_build("0.1.0");
    options.locate_coordinator = std::move(locate);
    return options;
  }

  static StatusOr<std::string> AtFirst() { return std::string("first:1"); }
};

proto::MemberReport SomeReport() {
  proto::MemberReport report;
  report.set_samples(42);
  return report;
}

TEST_CASE("a member joins with its identity and reports with every heartbeat", "[cluster]") {
  Fixture fixture;
  FakeCoordinator coordinator(*fixture.transport, "first:1");
  coordinator.Start();
  const Member member(fixture.env, Fixture::OptionsFor(Fixture::AtFirst), SomeReport);

  const auto joins = coordinator.AwaitJoins(1);
  CHECK(joins[0].role() == proto::WORKER);
  CHECK(joins[0].rank() == 3);
  CHECK(joins[0].address() == "worker-3:1");
  CHECK(joins[0].build() == "0.1.0");
  CHECK(joins[0].instance() != 0);
  const auto heartbeats = coordinator.AwaitHeartbeats(3);
  CHECK(heartbeats[2].instance() == joins[0].instance());
  CHECK(heartbeats[2].report().samples() == 42);
}

TEST_CASE("two members of one process have two instances", "[cluster]") {
  Fixture fixture;
  FakeCoordinator coordinator(*fixture.transport, "first:1");
  coordinator.Start();
  const Member one(fixture.env, Fixture::OptionsFor(Fixture::AtFirst), SomeReport);
  const Member other(fixture.env, Fixture::OptionsFor(Fixture::AtFirst), SomeReport);
  const auto joins = coordinator.AwaitJoins(2);
  CHECK(joins[0].instance() != joins[1].instance());
}

TEST_CASE("a member that was forgotten joins again as the same instance", "[cluster]") {
  Fixture fixture;
  FakeCoordinator coordinator(*fixture.transport, "first:1");
  coordinator.Start();
  const Member member(fixture.env, Fixture::OptionsFor(Fixture::AtFirst), SomeReport);
  coordinator.AwaitHeartbeats(1);
  coordinator.Forget();
  const auto joins = coordinator.AwaitJoins(2);
  CHECK(joins[1].instance() == joins[0].instance());
}

TEST_CASE("a member waits for a coordinator that comes later, and follows it elsewhere",
          "[cluster]") {
  Fixture fixture;
  std::mutex mutex;
  std::string address;  // none at first
  const auto locate = [&]() -> StatusOr<std::string> {
    const std::lock_guard lock(mutex);
    if (address.empty()) {
      return NotFound("coordinator.address");
    }
    return address;
  };
  const auto move_to = [&](const std::string& to) {
    const std::lock_guard lock(mutex);
    address = to;
  };
  const Member member(fixture.env, Fixture::OptionsFor(locate), SomeReport);

  move_to("first:1");  // where nobody listens yet
  auto first = std::make_unique<FakeCoordinator>(*fixture.transport, "first:1");
  first->Start();
  const uint64_t instance = first->AwaitJoins(1)[0].instance();
  first->AwaitHeartbeats(2);

  FakeCoordinator second(*fixture.transport, "second:1");
  second.Start();
  move_to("second:1");
  first.reset();
  CHECK(second.AwaitJoins(1)[0].instance() == instance);
  second.AwaitHeartbeats(2);
}

TEST_CASE("news need not wait for the next heartbeat", "[cluster]") {
  Fixture fixture;
  FakeCoordinator coordinator(*fixture.transport, "first:1");
  coordinator.SetHeartbeatMs(1'000'000'000);
  coordinator.Start();
  Member member(fixture.env, Fixture::OptionsFor(Fixture::AtFirst), SomeReport);
  coordinator.AwaitHeartbeats(1);
  member.ReportNow();
  coordinator.AwaitHeartbeats(2);
  member.ReportNow();
  coordinator.AwaitHeartbeats(3);
}

TEST_CASE("a member learns that training is finished", "[cluster]") {
  Fixture fixture;
  FakeCoordinator coordinator(*fixture.transport, "first:1");
  coordinator.Start();
  const Member member(fixture.env, Fixture::OptionsFor(Fixture::AtFirst), SomeReport);
  size_t heard = coordinator.AwaitHeartbeats(2).size();
  CHECK_FALSE(member.training_finished());
  coordinator.Finish();
  while (!member.training_finished()) {
    heard = coordinator.AwaitHeartbeats(heard + 1).size();
  }
}

TEST_CASE("a member ends without waiting for an answer", "[cluster]") {
  Fixture fixture;
  FakeCoordinator coordinator(*fixture.transport, "first:1");
  coordinator.Mute();
  coordinator.Start();
  auto member =
      std::make_unique<Member>(fixture.env, Fixture::OptionsFor(Fixture::AtFirst), SomeReport);
  coordinator.AwaitHeartbeats(1);  // unanswered
  member.reset();                  // hangs the test if it waits for ever
}

}  // namespace
}  // namespace freshet
