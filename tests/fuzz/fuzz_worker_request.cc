#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "common/env/env.h"
#include "common/job/job_config.h"
#include "common/metrics/metrics.h"
#include "tests/fuzz/request_input.h"
#include "worker/worker.h"

// A request (request_input.h) to a worker. After a session was begun it begins anew.
namespace freshet::fuzz {
namespace {

constexpr rpc::Method kMethods[] = {
    rpc::Method::kStartSession, rpc::Method::kHold, rpc::Method::kPause, rpc::Method::kResume};

JobConfig MakeJob(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder / "stream");
  std::ofstream(folder / "stream/a.csv") << "u1,i1,1\nu2,i2,0\n";
  std::ofstream(folder / "job.yaml") << "stream: {path: stream, suffix: .csv, follow: true}\n"
                                        "format:\n"
                                        "  columns: [user, item, label]\n"
                                        "  label: {column: label}\n"
                                        "slots: [{name: user}, {name: item, side: item}]\n"
                                        "model: {kind: fm, factors: 2}\n";
  auto job = LoadJobConfig(LocalFileSystem(), folder / "job.yaml");
  FRESHET_CHECK(job.ok());
  return *std::move(job);
}

class Server {
 public:
  Server()
      : transport_(rpc::MakeInProcessTransport()),
        env_{SystemClock(), SystemRandom(), LocalFileSystem(), *transport_} {
    const auto folder = std::filesystem::temp_directory_path() / "freshet-fuzz-worker";
    worker::WorkerOptions options;
    options.listen = "worker";
    auto worker = worker::Worker::Start(env_, options, MakeJob(folder), metrics_);
    FRESHET_CHECK(worker.ok());
    worker_ = *std::move(worker);
    channel_ = transport_->Connect(worker_->address());
  }

  Status Ask(RequestInput request) { return fuzz::Ask(*channel_, std::move(request)); }

 private:
  const std::unique_ptr<rpc::Transport> transport_;
  const Env env_;
  Metrics metrics_;
  std::unique_ptr<worker::Worker> worker_;
  std::unique_ptr<rpc::Channel> channel_;
};

// Every input twice: to a worker as it was before, and after the first time.
void Run(std::span<const uint8_t> input) {
  static std::unique_ptr<Server> server;
  if (server == nullptr) {
    server = std::make_unique<Server>();
  }
  RequestInput request = RequestOf(input, kMethods);
  const bool begins = request.method == rpc::Method::kStartSession;
  const Status status = server->Ask(std::move(request));
  if (begins && status.ok()) {
    (void)server->Ask(RequestOf(input, kMethods));
    server.reset();
  }
}

}  // namespace
}  // namespace freshet::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  freshet::fuzz::Run({data, size});
  return 0;
}
