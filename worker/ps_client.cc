#include "worker/ps_client.h"

#include <cstring>
#include <mutex>
#include <utility>

#include "common/check.h"
#include "common/rpc/typed.h"
#include "proto/ps.pb.h"

namespace freshet::worker {
namespace {

size_t ElementsOf(const proto::DenseVariable& variable) {
  size_t elements = 1;
  for (const uint32_t extent : variable.shape()) {
    elements *= extent;
  }
  return elements;
}

// Writes arrays one after the other into a buffer made for them.
class PayloadWriter {
 public:
  explicit PayloadWriter(size_t bytes) : payload_(bytes) {}

  template <typename T>
  void Write(const T* values, size_t count) {
    if (count == 0) {
      return;
    }
    FRESHET_DCHECK(written_ + count * sizeof(T) <= payload_.size());
    std::memcpy(payload_.data() + written_, values, count * sizeof(T));
    written_ += count * sizeof(T);
  }

  Buffer Take() {
    FRESHET_CHECK(written_ == payload_.size());
    return std::move(payload_);
  }

 private:
  Buffer payload_;
  size_t written_ = 0;
};

void WriteKeys(const Step& step, uint32_t server, PayloadWriter* payload) {
  for (size_t variable = 0; variable < step.splits.size(); ++variable) {
    const std::vector<Key>& keys = step.batch.inputs[variable].keys;
    for (const uint32_t index : step.splits[variable].OfServer(server)) {
      payload->Write(&keys[index], 1);
    }
  }
}

// The runs of `server`, and how many keys and floats they hold.
template <typename Request>
std::pair<size_t, size_t> AddRuns(const proto::ModelSpec& model,
                                  const Step& step,
                                  uint32_t server,
                                  Request* request) {
  size_t keys = 0;
  size_t floats = 0;
  for (size_t variable = 0; variable < step.splits.size(); ++variable) {
    const size_t count = step.splits[variable].OfServer(server).size();
    if (count == 0) {
      continue;
    }
    proto::KeyRun* run = request->add_runs();
    run->set_variable(static_cast<uint32_t>(variable));
    run->set_keys(static_cast<uint32_t>(count));
    keys += count;
    floats += count * model.embedding_variables(static_cast<int>(variable)).dim();
  }
  return {keys, floats};
}

}  // namespace

// Waits for the answers of several servers.
class PsClient::Countdown {
 public:
  Countdown(size_t servers, Done done) : left_(servers), done_(std::move(done)) {}

  void Arrive(const Status& status) {
    bool complete = false;
    {
      const std::lock_guard lock(mutex_);
      --left_;
      complete = !told_ && (left_ == 0 || !status.ok());
      told_ = told_ || complete;
    }
    if (complete) {
      done_(status);
    }
  }

 private:
  std::mutex mutex_;
  size_t left_;
  bool told_ = false;
  const Done done_;
};

PsClient::PsClient(const Env& env,
                   const proto::ModelSpec& model,
                   PsClientOptions options,
                   WorkerMetrics& metrics)
    : model_(model),
      options_(std::move(options)),
      partitions_(options_.partition_count, static_cast<uint32_t>(options_.servers.size())),
      retrier_(env.clock, options_.timeout_of_a_try, metrics) {
  for (const proto::DenseVariable& variable : model_.dense_variables()) {
    dense_sizes_.push_back(ElementsOf(variable));
  }
  for (const std::string& address : options_.servers) {
    channels_.push_back(env.transport.Connect(address));
  }
}

PsClient::~PsClient() {
  Close();
}

void PsClient::Close() {
  retrier_.Stop();
  channels_.clear();
}

void PsClient::Declare(Done done) {
  proto::DeclareRequest request;
  request.set_epoch(options_.epoch);
  *request.mutable_model() = model_;
  const auto countdown = std::make_shared<Countdown>(channels_.size(), std::move(done));
  for (uint32_t server = 0; server < channels_.size(); ++server) {
    retrier_.Start({.channel = channels_[server].get(),
                    .method = rpc::Method::kDeclare,
                    .make_request = [request] { return rpc::MakeMessage(request); },
                    .done =
                        [countdown, server](const StatusOr<rpc::Message>& answer) {
                          countdown->Arrive(Annotate(
                              answer.status(), fmt::format("declare the model to ps-{}", server)));
                        }});
  }
}

void PsClient::Pull(const std::shared_ptr<Step>& step, Done done) {
  step->embeddings.resize(step->batch.inputs.size());
  for (size_t variable = 0; variable < step->batch.inputs.size(); ++variable) {
    const std::vector<Key>& keys = step->batch.inputs[variable].keys;
    step->splits.push_back(SplitKeys(partitions_, keys));
    const size_t dim = model_.embedding_variables(static_cast<int>(variable)).dim();
    step->embeddings[variable].resize(keys.size() * dim);
  }
  for (const size_t size : dense_sizes_) {
    step->dense.emplace_back(size);
  }
  std::vector<uint32_t> servers;
  for (uint32_t server = 0; server < channels_.size(); ++server) {
    if (Concerns(*step, server)) {
      servers.push_back(server);
    }
  }
  if (servers.empty()) {
    done(absl::OkStatus());
    return;
  }
  const auto countdown = std::make_shared<Countdown>(servers.size(), std::move(done));
  for (const uint32_t server : servers) {
    retrier_.Start(
        {.channel = channels_[server].get(),
         .method = rpc::Method::kPull,
         .make_request = [this, step, server] { return PullMessage(*step, server); },
         .done =
             [this, step, server, countdown](const StatusOr<rpc::Message>& answer) {
               const Status status =
                   answer.ok() ? TakeRows(*answer, server, step.get()) : answer.status();
               countdown->Arrive(Annotate(
                   status, fmt::format("pull of step {} from ps-{}", step->number, server)));
             }});
  }
}

void PsClient::Push(const std::shared_ptr<Step>& step, Done done) {
  const auto countdown = std::make_shared<Countdown>(channels_.size(), std::move(done));
  for (uint32_t server = 0; server < channels_.size(); ++server) {
    retrier_.Start(
        {.channel = channels_[server].get(),
         .method = rpc::Method::kPush,
         .make_request = [this, step, server] { return PushMessage(*step, server); },
         .done =
             [step, server, countdown](const StatusOr<rpc::Message>& answer) {
               countdown->Arrive(Annotate(
                   answer.status(), fmt::format("push of step {} to ps-{}", step->number, server)));
             }});
  }
}

std::vector<uint32_t> PsClient::DenseOf(uint32_t server) const {
  std::vector<uint32_t> owned;
  for (uint32_t variable = 0; variable < dense_sizes_.size(); ++variable) {
    if (partitions_.ServerOfDense(variable) == server) {
      owned.push_back(variable);
    }
  }
  return owned;
}

bool PsClient::Concerns(const Step& step, uint32_t server) const {
  for (const KeySplit& split : step.splits) {
    if (!split.OfServer(server).empty()) {
      return true;
    }
  }
  return !DenseOf(server).empty();
}

rpc::Message PsClient::PullMessage(const Step& step, uint32_t server) const {
  proto::PullRequest request;
  request.set_epoch(options_.epoch);
  request.set_worker(options_.worker);
  request.set_step(step.number);
  const size_t keys = AddRuns(model_, step, server, &request).first;
  for (const uint32_t variable : DenseOf(server)) {
    request.add_dense(variable);
  }
  PayloadWriter payload(keys * sizeof(Key));
  WriteKeys(step, server, &payload);
  return rpc::MakeMessage(request, payload.Take());
}

rpc::Message PsClient::PushMessage(const Step& step, uint32_t server) const {
  proto::PushRequest request;
  request.set_epoch(options_.epoch);
  request.set_worker(options_.worker);
  request.set_sequence(step.number);
  request.set_step(step.number);
  request.set_event_time_ms(step.batch.max_event_time_ms);
  request.set_last(step.last);
  const auto [keys, embedding_floats] = AddRuns(model_, step, server, &request);
  size_t floats = embedding_floats;
  if (!step.last) {
    for (const uint32_t variable : DenseOf(server)) {
      request.add_dense(variable);
      floats += dense_sizes_[variable];
    }
  }
  PayloadWriter payload(keys * sizeof(Key) + floats * sizeof(float));
  WriteKeys(step, server, &payload);
  for (size_t variable = 0; variable < step.splits.size(); ++variable) {
    const size_t dim = model_.embedding_variables(static_cast<int>(variable)).dim();
    const float* gradients = step.embedding_gradients[variable].data();
    for (const uint32_t index : step.splits[variable].OfServer(server)) {
      payload.Write(gradients + index * dim, dim);
    }
  }
  for (const uint32_t variable : request.dense()) {
    payload.Write(step.dense_gradients[variable].data(), dense_sizes_[variable]);
  }
  return rpc::MakeMessage(request, payload.Take());
}

// Servers answer on threads of their own, each with rows that no other has.
Status PsClient::TakeRows(const rpc::Message& answer, uint32_t server, Step* step) const {
  proto::PullRequest request;
  size_t floats = AddRuns(model_, *step, server, &request).second;
  const std::vector<uint32_t> dense = DenseOf(server);
  for (const uint32_t variable : dense) {
    floats += dense_sizes_[variable];
  }
  if (answer.body.size() != floats * sizeof(float)) {
    return Internal(
        "the answer has {} bytes, it must have {}", answer.body.size(), floats * sizeof(float));
  }
  const float* next = answer.body.as<float>(0, floats).data();
  for (size_t variable = 0; variable < step->splits.size(); ++variable) {
    const size_t dim = model_.embedding_variables(static_cast<int>(variable)).dim();
    float* rows = step->embeddings[variable].data();
    for (const uint32_t index : step->splits[variable].OfServer(server)) {
      std::memcpy(rows + index * dim, next, dim * sizeof(float));
      next += dim;
    }
  }
  for (const uint32_t variable : dense) {
    std::memcpy(step->dense[variable].data(), next, dense_sizes_[variable] * sizeof(float));
    next += dense_sizes_[variable];
  }
  return absl::OkStatus();
}

}  // namespace freshet::worker
