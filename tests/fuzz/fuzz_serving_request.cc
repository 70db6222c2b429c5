#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include "common/cluster/cluster_config.h"
#include "common/env/env.h"
#include "common/rpc/typed.h"
#include "proto/control.pb.h"
#include "serving/role.h"
#include "tests/common/cluster/temp_folder.h"
#include "tests/common/http/raw_connection.h"
#include "tests/fuzz/request_input.h"

// Requests (request_input.h) to a serving node that has nothing to serve yet: notices over rpc, and
// whatever a client may send to its HTTP server, which are the bodies. tests/fuzz/fuzz_http_api.cc
// has what it answers when it serves.
namespace freshet::fuzz {
namespace {

// Not a method: the body is sent to the HTTP server.
constexpr rpc::Method kHttp{};
constexpr rpc::Method kMethods[] = {rpc::Method::kVersionNotice, kHttp};

class Node {
 public:
  Node()
      : transport_(rpc::MakeInProcessTransport()),
        env_{SystemClock(), SystemRandom(), LocalFileSystem(), *transport_} {
    config_.log_dir = folder_.path() + "/log";
    config_.run_dir = folder_.path() + "/run";
    config_.coordinator.host = "coordinator";
    config_.coordinator.port = 1;
    StartCoordinator();
    auto role = serving::StartServing({.config = config_, .env = env_, .build = "fuzz"});
    FRESHET_CHECK(role.ok());
    role_ = *std::move(role);
    channel_ = transport_->Connect(role_->rpc_address());
    FRESHET_CHECK(reported_.get_future().wait_for(Call::kPatience) == std::future_status::ready);
  }

  void Ask(RequestInput request) {
    if (request.method != kHttp) {
      (void)Call(*channel_, std::move(request)).Await();
      return;
    }
    const Buffer& bytes = request.message.body;
    http::RawConnection connection(role_->http_address());
    connection.Send({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    connection.EndSending();
    const std::string answer = connection.ReadAll();
    FRESHET_CHECK(answer.empty() || answer.starts_with("HTTP/1."));
    FRESHET_CHECK(!answer.starts_with("HTTP/1.1 500"));
  }

 private:
  // Takes the node in, and wants to hear of it once.
  void StartCoordinator() {
    auto server = transport_->Listen("coordinator:1");
    FRESHET_CHECK(server.ok());
    coordinator_ = *std::move(server);
    coordinator_->Handle(rpc::Method::kJoin, [](const rpc::Message&, rpc::Responder respond) {
      proto::JoinResponse response;
      response.set_heartbeat_ms(1U << 30U);
      respond(rpc::MakeMessage(response));
    });
    coordinator_->Handle(rpc::Method::kHeartbeat,
                         [this](const rpc::Message&, rpc::Responder respond) {
                           proto::HeartbeatResponse response;
                           response.set_known(true);
                           respond(rpc::MakeMessage(response));
                           if (!std::exchange(has_reported_, true)) {
                             reported_.set_value();
                           }
                         });
    coordinator_->Start();
  }

  TempFolder folder_;
  const std::unique_ptr<rpc::Transport> transport_;
  const Env env_;
  ClusterConfig config_;
  std::promise<void> reported_;
  bool has_reported_ = false;
  std::unique_ptr<rpc::Server> coordinator_;
  std::unique_ptr<RunningRole> role_;
  std::unique_ptr<rpc::Channel> channel_;
};

}  // namespace
}  // namespace freshet::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Makes the loggers, so that they outlive what is kept from here on.
  static const bool warm = (freshet::fuzz::Node(), true);
  FRESHET_CHECK(warm);
  static freshet::fuzz::Node node;
  freshet::fuzz::Script script = freshet::fuzz::ScriptOf({data, size}, freshet::fuzz::kMethods);
  for (freshet::fuzz::RequestInput& request : script.requests) {
    node.Ask(std::move(request));
  }
  return 0;
}
