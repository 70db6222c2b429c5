#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "common/env/env.h"
#include "common/rpc/typed.h"
#include "proto/ps.pb.h"
#include "ps/ps_server.h"
#include "tests/fuzz/request_input.h"
#include "tests/ps/models.h"

// A request (request_input.h) to a parameter server that has a model and a few rows. After one that
// it carried out, and that changed something, the server begins anew.
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

bool OnlyReads(rpc::Method method) {
  return method == rpc::Method::kPull || method == rpc::Method::kAnnounce ||
         method == rpc::Method::kExplain || method == rpc::Method::kPsStats;
}

class Server {
 public:
  Server()
      : transport_(rpc::MakeInProcessTransport()),
        env_{SystemClock(), SystemRandom(), LocalFileSystem(), *transport_} {
    const auto folder = std::filesystem::temp_directory_path() / "freshet-fuzz-ps";
    ps::PsOptions options;
    options.listen = "ps";
    options.log_directory = folder;
    auto server = ps::PsServer::Start(options, env_);
    FRESHET_CHECK(server.ok());
    server_ = *std::move(server);
    channel_ = transport_->Connect(server_->address());
    Begin();
  }

  Status Ask(RequestInput request) { return fuzz::Ask(*channel_, std::move(request)); }

 private:
  void Begin() {
    proto::RestoreRequest restore;
    restore.set_epoch(1);
    restore.set_servers(1);
    restore.set_workers(2);
    restore.set_partition_count(8);
    FRESHET_CHECK(rpc::CallAndWait<proto::RestoreResponse>(
                      *channel_, rpc::Method::kRestore, restore, kTimeout)
                      .ok());
    proto::DeclareRequest declare;
    declare.set_epoch(1);
    *declare.mutable_model() = ps::test::SmallModel();
    FRESHET_CHECK(rpc::CallAndWait<proto::DeclareResponse>(
                      *channel_, rpc::Method::kDeclare, declare, kTimeout)
                      .ok());
  }

  const std::unique_ptr<rpc::Transport> transport_;
  const Env env_;
  std::unique_ptr<ps::PsServer> server_;
  std::unique_ptr<rpc::Channel> channel_;
};

void Run(std::span<const uint8_t> input) {
  static std::unique_ptr<Server> server;
  if (server == nullptr) {
    server = std::make_unique<Server>();
  }
  RequestInput request = RequestOf(input, kMethods);
  const rpc::Method method = request.method;
  const Status status = server->Ask(std::move(request));
  // A restore that fails has ended the epoch all the same.
  if ((status.ok() && !OnlyReads(method)) || method == rpc::Method::kRestore) {
    server.reset();
  }
}

}  // namespace
}  // namespace freshet::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  freshet::fuzz::Run({data, size});
  return 0;
}
