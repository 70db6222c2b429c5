#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "common/env/env.h"
#include "common/job/job_config.h"
#include "common/metrics/metrics.h"
#include "tests/common/cluster/temp_folder.h"
#include "tests/fuzz/request_input.h"
#include "worker/worker.h"

// Requests (request_input.h) to a worker. After a session was begun it begins anew.
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
    worker::WorkerOptions options;
    options.listen = "worker";
    auto worker = worker::Worker::Start(env_, options, MakeJob(folder_.path()), metrics_);
    FRESHET_CHECK(worker.ok());
    worker_ = *std::move(worker);
    channel_ = transport_->Connect(worker_->address());
  }

  void AskAll(Script script) {
    for (RequestInput& request : script.requests) {
      const rpc::Method method = request.method;
      Call call(*channel_, std::move(request));
      if (method == rpc::Method::kPause) {  // waits for the training that it is to stop
        (void)call.Await(std::chrono::milliseconds(5));
        continue;
      }
      const bool ok = call.Await().ok();
      began_ |= ok && method == rpc::Method::kStartSession;
    }
  }

  // Whether there was a session.
  bool began() const { return began_; }

 private:
  TempFolder folder_;
  const std::unique_ptr<rpc::Transport> transport_;
  const Env env_;
  Metrics metrics_;
  std::unique_ptr<worker::Worker> worker_;
  std::unique_ptr<rpc::Channel> channel_;
  bool began_ = false;
};

// To a worker as it was before, and, if that changed it, once more.
void Run(std::span<const uint8_t> input) {
  // Makes the loggers, so that they outlive what is kept from here on.
  static const bool warm = (Server(), true);
  FRESHET_CHECK(warm);
  static std::unique_ptr<Server> server;
  if (server == nullptr) {
    server = std::make_unique<Server>();
  }
  server->AskAll(ScriptOf(input, kMethods));
  if (server->began()) {
    server->AskAll(ScriptOf(input, kMethods));
    server.reset();
  }
}

}  // namespace
}  // namespace freshet::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  freshet::fuzz::Run({data, size});
  return 0;
}
