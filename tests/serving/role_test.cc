#include "serving/role.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "common/http/http_client.h"
#include "common/rpc/typed.h"
#include "proto/control.pb.h"
#include "tests/serving/test_log.h"

namespace freshet::serving::test {
namespace {

// A coordinator as far as serving knows one: it takes joins and heartbeats.
class Coordinator {
 public:
  explicit Coordinator(rpc::Transport& transport) : server_(*transport.Listen("coordinator:1")) {
    rpc::HandleTyped<proto::JoinRequest>(
        *server_,
        rpc::Method::kJoin,
        [this](const proto::JoinRequest& request, Buffer, rpc::Responder respond) {
          {
            const std::lock_guard lock(mutex_);
            member_ = request;
          }
          proto::JoinResponse response;
          response.set_heartbeat_ms(5000);
          respond(rpc::MakeMessage(response));
        });
    rpc::HandleTyped<proto::HeartbeatRequest>(
        *server_,
        rpc::Method::kHeartbeat,
        [this](const proto::HeartbeatRequest& request, Buffer, rpc::Responder respond) {
          {
            const std::lock_guard lock(mutex_);
            report_ = request.report();
          }
          changed_.notify_all();
          proto::HeartbeatResponse response;
          response.set_known(true);
          respond(rpc::MakeMessage(response));
        });
    server_->Start();
  }

  // The first report of this version.
  proto::MemberReport AwaitVersion(uint64_t version) {
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(
        lock, std::chrono::seconds(30), [&] { return report_.version() == version; }));
    return report_;
  }

  proto::JoinRequest member() {
    const std::lock_guard lock(mutex_);
    return member_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  proto::JoinRequest member_;
  proto::MemberReport report_;
  std::unique_ptr<rpc::Server> server_;
};

ClusterConfig Config(const TestLog& log) {
  ClusterConfig config;
  config.log_dir = log.directory();
  config.run_dir = log.Path("run");
  config.coordinator.host = "coordinator";
  config.coordinator.port = 1;
  config.serving.poll_every_ms = 3'600'000;  // only what it is told of
  return config;
}

}  // namespace

TEST_CASE("a serving node joins, hears of versions, serves them over HTTP and reports them",
          "[serving]") {
  TestLog log;
  log.Base(RandomRows(1), 0.0F);
  const auto transport = rpc::MakeInProcessTransport();
  const Env env{SystemClock(), SystemRandom(), LocalFileSystem(), *transport};
  const ClusterConfig config = Config(log);
  Coordinator coordinator(*transport);
  auto role = StartServing({.config = config, .rank = 0, .env = env, .build = "test"});
  INFO(role.status().ToString());
  REQUIRE(role.ok());
  CHECK(coordinator.AwaitVersion(1).rows() == RandomRows(1).size());
  CHECK(coordinator.member().role() == proto::SERVING);
  CHECK(coordinator.member().http_address() == (*role)->http_address());

  log.Delta({}, 0.5F);
  const auto channel = transport->Connect((*role)->rpc_address());
  proto::VersionNotice notice;
  notice.set_version(2);
  REQUIRE(rpc::CallAndWait<proto::VersionNoticeResponse>(
              *channel, rpc::Method::kVersionNotice, notice, std::chrono::seconds(10))
              .ok());
  CHECK(coordinator.AwaitVersion(2).newest_arrival_ms() == 1'700'000'001'500);
  http::Client client((*role)->http_address());
  const auto health = client.Get("/health");
  REQUIRE(health.ok());
  CHECK(health->status == 200);
  CHECK(health->body.find("\"version\":2") != std::string::npos);
  const auto answer = client.Post("/v1/predict", R"({"candidates":[{"movieId":"1"}]})");
  REQUIRE(answer.ok());
  CHECK(answer->status == 200);
}

TEST_CASE("a serving node needs no coordinator", "[serving]") {
  TestLog log;
  log.Base(RandomRows(1), 0.0F);
  const auto transport = rpc::MakeInProcessTransport();
  const Env env{SystemClock(), SystemRandom(), LocalFileSystem(), *transport};
  ClusterConfig config = Config(log);
  config.serving.poll_every_ms = 1;
  config.coordinator.port = 0;  // to be found under run_dir, where nothing is
  auto role = StartServing({.config = config, .rank = 0, .env = env, .build = "test"});
  REQUIRE(role.ok());
  http::Client client((*role)->http_address());
  for (;;) {
    const auto health = client.Get("/health");
    REQUIRE(health.ok());
    if (health->status == 200) {
      break;
    }
    std::this_thread::yield();
  }
}

TEST_CASE("a node whose catalogue cannot be read does not start", "[serving]") {
  TestLog log;
  const auto transport = rpc::MakeInProcessTransport();
  const Env env{SystemClock(), SystemRandom(), LocalFileSystem(), *transport};
  ClusterConfig config = Config(log);
  config.serving.catalogue.path = log.Path("none.csv");
  const auto role = StartServing({.config = config, .rank = 0, .env = env, .build = "test"});
  REQUIRE_FALSE(role.ok());
  CHECK(MessageOf(role.status()).find("none.csv") != std::string::npos);
}

}  // namespace freshet::serving::test
