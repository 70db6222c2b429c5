#include "worker/ps_client.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "common/rpc/typed.h"
#include "proto/ps.pb.h"

namespace freshet::worker {
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
      messages_(model_,
                partitions_,
                {.epoch = options_.epoch,
                 .worker = options_.worker,
                 .values = options_.values,
                 .gradients = options_.gradients,
                 .compression = options_.compression}),
      metrics_(metrics),
      retrier_(env.clock, options_.timeout_of_a_try, metrics) {
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
  step->splits = messages_.Split(step->batch);
  step->embeddings.resize(step->batch.inputs.size());
  for (size_t variable = 0; variable < step->batch.inputs.size(); ++variable) {
    const size_t dim = model_.embedding_variables(static_cast<int>(variable)).dim();
    step->embeddings[variable].resize(step->batch.inputs[variable].keys.size() * dim);
  }
  for (const size_t size : messages_.dense_sizes()) {
    step->dense.emplace_back(size);
  }
  std::vector<uint32_t> servers;
  for (uint32_t server = 0; server < channels_.size(); ++server) {
    if (messages_.Concerns(*step, server)) {
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
         .make_request = [this, step, server] { return messages_.Pull(*step, server); },
         .done =
             [this, step, server, countdown](StatusOr<rpc::Message> answer) {
               Status status = answer.status();
               if (status.ok()) {
                 status = CheckStaleness(*answer, *step);
                 status.Update(messages_.TakeRows(*std::move(answer), server, step.get()));
               }
               countdown->Arrive(Annotate(
                   status, fmt::format("pull of step {} from ps-{}", step->number, server)));
             }});
  }
}

// Every pull proves that it was no staler than agreed.
Status PsClient::CheckStaleness(const rpc::Message& answer, const Step& step) {
  if (!options_.staleness) {
    return absl::OkStatus();
  }
  FRESHET_ASSIGN_OR_RETURN(const auto response, rpc::ParseHead<proto::PullResponse>(answer));
  const uint64_t before = step.number - 1;
  const uint64_t behind = response.oldest_step() < before ? before - response.oldest_step() : 0;
  metrics_.staleness.Observe(static_cast<double>(behind));
  if (behind > *options_.staleness) {
    metrics_.stale_pulls.Increment();
    return Internal(
        "the rows lack pushes of {} steps, at most {} are allowed", behind, *options_.staleness);
  }
  return absl::OkStatus();
}

void PsClient::Push(const std::shared_ptr<Step>& step, Done done) {
  const auto countdown = std::make_shared<Countdown>(channels_.size(), std::move(done));
  for (uint32_t server = 0; server < channels_.size(); ++server) {
    retrier_.Start(
        {.channel = channels_[server].get(),
         .method = rpc::Method::kPush,
         .make_request = [this, step, server] { return messages_.Push(*step, server); },
         .done =
             [step, server, countdown](const StatusOr<rpc::Message>& answer) {
               countdown->Arrive(Annotate(
                   answer.status(), fmt::format("push of step {} to ps-{}", step->number, server)));
             }});
  }
}

void PsClient::Announce(const Batch& batch) {
  const std::vector<KeySplit> splits = messages_.Split(batch);
  for (uint32_t server = 0; server < channels_.size(); ++server) {
    const bool concerned = std::any_of(splits.begin(), splits.end(), [server](const auto& split) {
      return !split.OfServer(server).empty();
    });
    if (concerned) {
      channels_[server]->Call(rpc::Method::kAnnounce,
                              messages_.Announce(batch, splits, server),
                              options_.timeout_of_a_try,
                              [](const StatusOr<rpc::Message>&) {});
    }
  }
}

}  // namespace freshet::worker
