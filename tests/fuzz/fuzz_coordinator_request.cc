#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "common/env/env.h"
#include "common/model/model.h"
#include "coordinator/coordinator.h"
#include "tests/common/cluster/temp_folder.h"
#include "tests/coordinator/fake_cluster.h"
#include "tests/fuzz/request_input.h"

// Requests (request_input.h), over rpc and HTTP, to a coordinator: one whose members are not there,
// which some inputs join, and one whose cluster trains.
namespace freshet::fuzz {
namespace {

// Of HTTP: the head is the path, the body the query.
constexpr rpc::Method kHttp{};
constexpr rpc::Method kMethods[] = {rpc::Method::kJoin,
                                    rpc::Method::kHeartbeat,
                                    rpc::Method::kStatus,
                                    rpc::Method::kRollback,
                                    rpc::Method::kCutNow,
                                    rpc::Method::kForget,
                                    rpc::Method::kShrink,
                                    rpc::Method::kExplainKey,
                                    rpc::Method::kModel,
                                    rpc::Method::kCollect,
                                    rpc::Method::kEvents,
                                    kHttp};
// A cluster that has served so many inputs begins anew: it keeps each of its versions.
constexpr int kInputsOfCluster = 500;

coordinator::Options MakeOptions(const std::string& folder) {
  coordinator::Options options;
  options.log_dir = folder + "/log";
  options.state_dir = folder + "/state";
  ModelSettings settings;
  settings.kind = "fm";
  settings.factors = 2;
  settings.optimizer.mutable_sgd()->set_learning_rate(0.1F);
  settings.dense_optimizer = settings.optimizer;
  std::vector<proto::Slot> slots(1);
  slots[0].set_name("user");
  auto model = DeclareModel(settings, slots);
  FRESHET_CHECK(model.ok());
  options.model = *std::move(model);
  return options;
}

Status Ask(coordinator::Coordinator& coordinator, rpc::Channel& channel, RequestInput request) {
  if (request.method != kHttp) {
    return Call(channel, std::move(request)).Await();
  }
  const Buffer& query = request.message.body;
  const http::Response response =
      coordinator.Answer({.method = "GET",
                          .path = request.message.head,
                          .query = {reinterpret_cast<const char*>(query.data()), query.size()},
                          .body = ""});
  FRESHET_CHECK(response.status < 500);
  return absl::OkStatus();
}

class Alone {
 public:
  Alone()
      : transport_(rpc::MakeInProcessTransport()),
        env_{SystemClock(), SystemRandom(), LocalFileSystem(), *transport_} {
    auto started =
        coordinator::Coordinator::Start(env_, MakeOptions(folder_.path()), "coordinator");
    FRESHET_CHECK(started.ok());
    coordinator_ = *std::move(started);
    channel_ = transport_->Connect(coordinator_->address());
  }

  void Ask(RequestInput request) { (void)fuzz::Ask(*coordinator_, *channel_, std::move(request)); }

 private:
  TempFolder folder_;
  const std::unique_ptr<rpc::Transport> transport_;
  const Env env_;
  std::unique_ptr<coordinator::Coordinator> coordinator_;
  std::unique_ptr<rpc::Channel> channel_;
};

class InCluster {
 public:
  InCluster() : cluster_(1, 1, 1) {
    cluster_.StartAll();
    cluster_.Train(3);
    FRESHET_CHECK(cluster_.CutNow().ok());
    channel_ = cluster_.transport->Connect(cluster_.kAddress);
  }

  // Whether it is as it was, but for its versions.
  bool Ask(RequestInput request) {
    const bool is_member =
        request.method == rpc::Method::kJoin || request.method == rpc::Method::kHeartbeat;
    const Status status = fuzz::Ask(*cluster_.coordinator, *channel_, std::move(request));
    return !(status.ok() && is_member);
  }

 private:
  coordinator::FakeCluster cluster_;
  std::unique_ptr<rpc::Channel> channel_;
};

void Run(std::span<const uint8_t> input) {
  // Makes the loggers, so that they outlive what is kept from here on.
  static const bool warm = (InCluster(), true);
  FRESHET_CHECK(warm);
  static Alone alone;
  static std::unique_ptr<InCluster> in_cluster;
  static int inputs = 0;
  Script script = ScriptOf(input, kMethods);
  if (script.state % 2 == 0) {
    for (RequestInput& request : script.requests) {
      alone.Ask(std::move(request));
    }
    return;
  }
  if (in_cluster == nullptr || ++inputs % kInputsOfCluster == 0) {
    in_cluster.reset();
    in_cluster = std::make_unique<InCluster>();
  }
  bool as_it_was = true;
  for (RequestInput& request : script.requests) {
    as_it_was = in_cluster->Ask(std::move(request)) && as_it_was;
  }
  if (!as_it_was) {
    in_cluster.reset();
  }
}

}  // namespace
}  // namespace freshet::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  freshet::fuzz::Run({data, size});
  return 0;
}
