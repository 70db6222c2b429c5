#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/env/env.h"
#include "common/metrics/metrics.h"
#include "tests/fuzz/request_input.h"
#include "tests/ps/models.h"
#include "worker/ps_client.h"

// What a parameter server answers to a pull (request_input.h, without the method): a worker takes
// the rows, or says what is wrong with them. Read by workers that have asked for rows of each type,
// compressed or not.
namespace freshet::fuzz {
namespace {

// Answers every pull with the same message.
class Peer {
 public:
  Peer()
      : transport_(rpc::MakeInProcessTransport()),
        env_{SystemClock(), SystemRandom(), LocalFileSystem(), *transport_},
        metrics_(registry_) {
    auto server = transport_->Listen("ps");
    FRESHET_CHECK(server.ok());
    server_ = *std::move(server);
    server_->Handle(rpc::Method::kPull, [this](const rpc::Message&, rpc::Responder respond) {
      respond(rpc::Message{.head = answer_.head, .body = Buffer::CopyOf(answer_.body.bytes())});
    });
    server_->Start();
    for (const proto::ValueType values : {proto::F32, proto::F16, proto::BF16}) {
      for (const proto::Compression compression : {proto::LZ4, proto::PLAIN}) {
        worker::PsClientOptions options;
        options.epoch = 1;
        options.servers = {server_->address()};
        options.partition_count = 8;
        options.staleness = 2;
        options.values = values;
        options.compression = compression;
        clients_.push_back(
            std::make_unique<worker::PsClient>(env_, ps::test::SmallModel(), options, metrics_));
      }
    }
  }

  ~Peer() {
    for (const auto& client : clients_) {
      client->Close();
    }
  }

  void PullAll(rpc::Message answer) {
    answer_ = std::move(answer);
    for (const auto& client : clients_) {
      Pull(*client);
    }
  }

 private:
  static void Pull(worker::PsClient& client) {
    auto step = std::make_shared<worker::Step>();
    step->number = 1;
    step->stream_step = 1;
    step->batch.inputs.resize(2);
    step->batch.inputs[0].keys = {1, 2, 3};
    step->batch.inputs[1].keys = {4, 5};
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<Status> result;
    client.Pull(step, [&](const Status& status) {
      const std::lock_guard lock(mutex);
      FRESHET_CHECK(!result);
      result = status;
      changed.notify_all();
    });
    std::unique_lock lock(mutex);
    FRESHET_CHECK(changed.wait_for(lock, Call::kPatience, [&] { return result.has_value(); }));
    FRESHET_CHECK(result->ok() || !result->message().empty());
    FRESHET_CHECK(step->embeddings[0].size() == 9 && step->embeddings[1].size() == 8);
  }

  const std::unique_ptr<rpc::Transport> transport_;
  const Env env_;
  Metrics registry_;
  worker::WorkerMetrics metrics_;
  rpc::Message answer_;
  std::unique_ptr<rpc::Server> server_;
  std::vector<std::unique_ptr<worker::PsClient>> clients_;
};

}  // namespace
}  // namespace freshet::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static freshet::fuzz::Peer peer;
  std::span<const uint8_t> input(data, size);
  peer.PullAll(freshet::fuzz::MessageOf(input, false));
  return 0;
}
