#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "common/env/env.h"
#include "common/model/model.h"
#include "coordinator/coordinator.h"
#include "tests/fuzz/request_input.h"

// A request (request_input.h) to a coordinator whose members are not there; some inputs join it.
namespace freshet::fuzz {
namespace {

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
                                    rpc::Method::kEvents};

coordinator::Options MakeOptions() {
  coordinator::Options options;
  const auto folder = std::filesystem::temp_directory_path() / "freshet-fuzz-coordinator";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  options.log_dir = folder / "log";
  options.state_dir = folder / "state";
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

class Server {
 public:
  Server()
      : transport_(rpc::MakeInProcessTransport()),
        env_{SystemClock(), SystemRandom(), LocalFileSystem(), *transport_} {
    auto started = coordinator::Coordinator::Start(env_, MakeOptions(), "coordinator");
    FRESHET_CHECK(started.ok());
    coordinator_ = *std::move(started);
    channel_ = transport_->Connect(coordinator_->address());
  }

  void Ask(RequestInput request) { (void)fuzz::Ask(*channel_, std::move(request)); }

 private:
  const std::unique_ptr<rpc::Transport> transport_;
  const Env env_;
  std::unique_ptr<coordinator::Coordinator> coordinator_;
  std::unique_ptr<rpc::Channel> channel_;
};

}  // namespace
}  // namespace freshet::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static freshet::fuzz::Server server;
  server.Ask(freshet::fuzz::RequestOf({data, size}, freshet::fuzz::kMethods));
  return 0;
}
