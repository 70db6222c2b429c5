#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "common/env/env.h"
#include "common/rpc/typed.h"
#include "proto/ps.pb.h"
#include "ps/ps_server.h"
#include "tests/common/cluster/temp_folder.h"
#include "tests/fuzz/request_input.h"
#include "tests/ps/models.h"

// Requests (request_input.h) to a parameter server in one of several states. After any that it
// carried out, and that changed something, the server begins anew.
namespace freshet::fuzz {
namespace {

constexpr std::chrono::milliseconds kTimeout{20'000};
constexpr rpc::Method kMethods[] = {rpc::Method::kPush,
                                    rpc::Method::kPull,
                                    rpc::Method::kAnnounce,
                                    rpc::Method::kDeclare,
                                    rpc::Method::kDelete,
                                    rpc::Method::kEvict,
                                    rpc::Method::kExplain,
                                    rpc::Method::kPsStats,
                                    rpc::Method::kCut,
                                    rpc::Method::kWriteCut,
                                    rpc::Method::kEndCut,
                                    rpc::Method::kRestore};

enum State : unsigned {
  kDeclared,  // with a model
  kBare,      // before its first restore
  kRestored,  // without a model
  kBsp,       // in which pushes and pulls wait for others
  kSsp,
  kRules,  // with rows of 16 bits that come late and go, on two owner threads
  kStates
};

bool OnlyReads(rpc::Method method) {
  return method == rpc::Method::kPull || method == rpc::Method::kAnnounce ||
         method == rpc::Method::kExplain || method == rpc::Method::kPsStats;
}

proto::ModelSpec RulesModel() {
  proto::ModelSpec model = ps::test::SmallModel();
  model.add_slots()->set_name("a");
  model.add_slots()->set_name("b");
  proto::EmbeddingVariable& variable = *model.mutable_embedding_variables(0);
  variable.set_value_type(proto::BF16);
  proto::FeaturePolicy& policy = *variable.mutable_policy();
  policy.mutable_rules()->mutable_admission()->set_filter_freq(2);
  policy.mutable_rules()->mutable_eviction()->set_steps_to_live(3);
  policy.mutable_rules()->mutable_eviction()->set_ttl_secs(60);
  policy.mutable_rules()->mutable_serving()->set_min_frequency(2);
  policy.mutable_capacity()->set_max_bytes(1000);
  policy.set_evict_every_steps(1);
  return model;
}

class Server {
 public:
  explicit Server(State state)
      : transport_(rpc::MakeInProcessTransport()),
        env_{SystemClock(), SystemRandom(), LocalFileSystem(), *transport_} {
    ps::PsOptions options;
    options.listen = "ps";
    options.log_directory = folder_.path();
    options.owner_threads = state == kRules ? 2 : 1;
    auto server = ps::PsServer::Start(options, env_);
    FRESHET_CHECK(server.ok());
    server_ = *std::move(server);
    channel_ = transport_->Connect(server_->address());
    if (state != kBare) {
      Restore(state);
    }
    if (state != kBare && state != kRestored) {
      Declare(state == kRules ? RulesModel() : ps::test::SmallModel());
    }
  }

  Call Ask(RequestInput request) { return {*channel_, std::move(request)}; }

  // Whatever still waits is answered.
  void Stop() { server_.reset(); }

 private:
  void Restore(State state) {
    proto::RestoreRequest restore;
    restore.set_epoch(1);
    restore.set_servers(1);
    restore.set_workers(2);
    restore.set_partition_count(8);
    restore.set_bsp(state == kBsp);
    restore.set_ssp(state == kSsp);
    FRESHET_CHECK(rpc::CallAndWait<proto::RestoreResponse>(
                      *channel_, rpc::Method::kRestore, restore, kTimeout)
                      .ok());
  }

  void Declare(proto::ModelSpec model) {
    proto::DeclareRequest declare;
    declare.set_epoch(1);
    *declare.mutable_model() = std::move(model);
    FRESHET_CHECK(rpc::CallAndWait<proto::DeclareResponse>(
                      *channel_, rpc::Method::kDeclare, declare, kTimeout)
                      .ok());
  }

  TempFolder folder_;
  const std::unique_ptr<rpc::Transport> transport_;
  const Env env_;
  std::unique_ptr<ps::PsServer> server_;
  std::unique_ptr<rpc::Channel> channel_;
};

void Run(std::span<const uint8_t> input) {
  // Makes the loggers, so that they outlive what is kept from here on.
  static const bool warm = (Server(kDeclared), true);
  FRESHET_CHECK(warm);
  static std::array<std::unique_ptr<Server>, kStates> servers;
  Script script = ScriptOf(input, kMethods);
  const auto state = static_cast<State>(script.state % kStates);
  std::unique_ptr<Server>& server = servers[state];
  if (server == nullptr) {
    server = std::make_unique<Server>(state);
  }
  const bool others_are_waited_for = state == kBsp || state == kSsp;
  bool changed = false;
  std::vector<Call> waiting;
  for (RequestInput& request : script.requests) {
    const rpc::Method method = request.method;
    Call call = server->Ask(std::move(request));
    const bool may_wait =
        others_are_waited_for && (method == rpc::Method::kPull || method == rpc::Method::kPush);
    const std::optional<Status> status =
        may_wait ? call.Await(std::chrono::microseconds(300)) : call.Await();
    if (!status) {
      waiting.push_back(std::move(call));
    }
    // A restore that fails has ended the epoch all the same.
    changed |= !status || (status->ok() && !OnlyReads(method)) || method == rpc::Method::kRestore;
  }
  if (changed) {
    server->Stop();
    for (Call& call : waiting) {
      (void)call.Await();
    }
    server.reset();
  }
}

}  // namespace
}  // namespace freshet::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  freshet::fuzz::Run({data, size});
  return 0;
}
