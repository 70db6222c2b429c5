#include "worker/ps_client.h"

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>

#include "common/metrics/metrics.h"
#include "common/rpc/typed.h"
#include "perf/rpc/client.h"
#include "proto/ps.pb.h"

namespace freshet::perf {
namespace {

constexpr std::chrono::milliseconds kTimeout{10'000};
constexpr uint32_t kPartitions = 64;

proto::ModelSpec MakeModel() {
  proto::ModelSpec model;
  model.set_kind("fm");
  proto::EmbeddingVariable& variable = *model.add_embedding_variables();
  variable.set_name("rows");
  variable.set_dim(kDim);
  auto& adagrad = *variable.mutable_optimizer()->mutable_adagrad();
  adagrad.set_learning_rate(0.05F);
  adagrad.set_initial_accumulator(0.1F);
  adagrad.set_epsilon(1e-7F);
  return model;
}

void DieUnless(const Status& status) {
  if (!status.ok()) {
    std::fprintf(stderr, "ps: %s\n", status.ToString().c_str());
    std::exit(1);
  }
}

// Counts what is unanswered.
class Flights {
 public:
  void AwaitBelow(size_t limit) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return count_ < limit; });
    ++count_;
  }

  void Land() {
    {
      const std::lock_guard lock(mutex_);
      --count_;
    }
    changed_.notify_one();
  }

  void AwaitNone() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return count_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  size_t count_ = 0;
};

// As a worker does it: pulls through worker::PsClient, and pushes of the steps that were pulled.
class PsContestant final : public Client {
 public:
  explicit PsContestant(const std::string& address)
      : transport_(rpc::MakeTcpTransport()),
        env_{SystemClock(), SystemRandom(), LocalFileSystem(), *transport_},
        metrics_(registry_) {
    Begin(address);
    worker::PsClientOptions options;
    options.epoch = 1;
    options.servers = {address};
    options.partition_count = kPartitions;
    options.timeout_of_a_try = kTimeout;
    client_ = std::make_unique<worker::PsClient>(env_, MakeModel(), options, metrics_);
    Flights flights;
    flights.AwaitBelow(1);
    client_->Declare([&](const Status& status) {
      DieUnless(status);
      flights.Land();
    });
    flights.AwaitNone();
  }

  ~PsContestant() override { client_->Close(); }

  RunTime Pull(const std::vector<Keys>& batches, size_t in_flight) override {
    const Steps steps = MakeSteps(batches);
    return Run(steps, in_flight, [this](const auto& step, auto done) {
      client_->Pull(step, std::move(done));
    });
  }

  // The pulls before are not counted: a worker has pulled what it pushes.
  RunTime Push(const std::vector<Keys>& batches, size_t in_flight) override {
    const Steps steps = MakeSteps(batches);
    (void)Run(steps, in_flight, [this](const auto& step, auto done) {
      client_->Pull(step, std::move(done));
    });
    for (const auto& step : steps) {
      step->number = ++pushed_;
      step->stream_step = pushed_;
      step->embedding_gradients = {std::vector<float>(step->embeddings[0].size(), 0.001F)};
    }
    return Run(steps, in_flight, [this](const auto& step, auto done) {
      client_->Push(step, std::move(done));
    });
  }

 private:
  using Steps = std::vector<std::shared_ptr<worker::Step>>;

  void Begin(const std::string& address) {
    const auto channel = transport_->Connect(address);
    proto::RestoreRequest restore;
    restore.set_epoch(1);
    restore.set_servers(1);
    restore.set_workers(1);
    restore.set_partition_count(kPartitions);
    DieUnless(
        rpc::CallAndWait<proto::RestoreResponse>(*channel, rpc::Method::kRestore, restore, kTimeout)
            .status());
  }

  Steps MakeSteps(const std::vector<Keys>& batches) {
    Steps steps;
    for (const Keys& keys : batches) {
      auto step = std::make_shared<worker::Step>();
      step->number = ++pulled_;
      step->stream_step = pulled_;
      step->batch.inputs.resize(1);
      step->batch.inputs[0].keys = keys;
      steps.push_back(std::move(step));
    }
    return steps;
  }

  template <typename Send>
  RunTime Run(const Steps& steps, size_t in_flight, const Send& send) {
    RunTime time;
    time.latencies.resize(steps.size());
    Flights under_way;
    const auto start = std::chrono::steady_clock::now();
    for (size_t i = 0; i < steps.size(); ++i) {
      under_way.AwaitBelow(in_flight);
      const auto sent = std::chrono::steady_clock::now();
      send(steps[i], [&under_way, &time, i, sent](const Status& status) {
        DieUnless(status);
        time.latencies[i] = SecondsSince(sent);
        under_way.Land();
      });
    }
    under_way.AwaitNone();
    time.seconds = SecondsSince(start);
    return time;
  }

  const std::unique_ptr<rpc::Transport> transport_;
  const Env env_;
  Metrics registry_;
  worker::WorkerMetrics metrics_;
  std::unique_ptr<worker::PsClient> client_;
  uint64_t pulled_ = 0;
  uint64_t pushed_ = 0;
};

}  // namespace

std::unique_ptr<Client> MakePsClient(const std::string& address) {
  return std::make_unique<PsContestant>(address);
}

}  // namespace freshet::perf
