#include "worker/session.h"

#include <memory>
#include <utility>

#include "common/model/dense/matrix.h"
#include "common/model/feature_policy.h"
#include "worker/held_out.h"
#include "worker/log.h"
#include "worker/trainer.h"

namespace freshet::worker {
namespace {

PsClientOptions ClientOptions(const JobConfig& job, const proto::StartSessionRequest& request) {
  PsClientOptions options;
  options.epoch = request.epoch();
  options.worker = request.worker();
  options.servers.assign(request.servers().begin(), request.servers().end());
  options.partition_count = request.partition_count();
  options.values = job.training.wire_values;
  options.gradients = job.training.wire_gradients;
  options.compression = job.training.message_compress;
  if (job.training.consistency == Consistency::kSsp) {
    options.staleness = job.training.staleness;
  }
  options.timeout_of_a_try = std::chrono::milliseconds(job.training.rpc_timeout_ms);
  return options;
}

// What the rules of the model's variable need to know of keys.
KeyDetails DetailsFor(const proto::ModelSpec& model) {
  KeyDetails details;
  for (const proto::EmbeddingVariable& variable : model.embedding_variables()) {
    details.counts = details.counts || NeedsCounts(variable.policy());
    details.slots = details.slots || HasSlotRules(variable.policy());
  }
  return details;
}

SourceRules RulesFor(const Env& env,
                     const JobConfig& job,
                     const proto::StartSessionRequest& request) {
  const double kept = job.model.negative_sampling();
  return {.details = DetailsFor(job.model),
          .skips = SkipRules({request.skips().begin(), request.skips().end()}),
          .negative_sampling = kept > 0.0 ? kept : 1.0,
          .max_bad_share = job.training.max_bad_share,
          .dead_letters = job.training.dead_letters,
          .files = &env.files};
}

BatchReaderOptions ReaderOptions(const Env& env,
                                 const JobConfig& job,
                                 const proto::StartSessionRequest& request,
                                 PsClient& client) {
  BatchReaderOptions options{.worker = request.worker(),
                             .workers = request.workers(),
                             .training = job.training,
                             .rules = RulesFor(env, job, request),
                             .ended = request.ended()};
  if (job.training.announce) {
    options.on_batch = [&client](const Batch& batch) { client.Announce(batch); };
  }
  return options;
}

}  // namespace

Session::Session(const SessionContext& context, const proto::StartSessionRequest& request)
    : context_(context),
      request_(request),
      progress_(request, context.job.training.consistency == Consistency::kBsp),
      client_(context.env, context.job.model, ClientOptions(context.job, request), context.metrics),
      reader_(context.stream,
              context.parser,
              context.env.clock,
              context.metrics,
              ReaderOptions(context.env, context.job, request, client_)) {}

void Session::Run() {
  if (!progress_.ended()) {
    context_.metrics.sessions.Increment();
    if (const Status status = Prepare(); status.ok()) {
      TrainAll();
    } else {
      Fail(status);
    }
  }
  reader_.Join();
  client_.Close();
  progress_.AwaitEnd();
}

Status Session::Prepare() {
  const std::vector<proto::WorkerState> states(request_.states().begin(), request_.states().end());
  FRESHET_ASSIGN_OR_RETURN(StreamState positions, reader_.Restore(states));
  Log().info("session starts epoch={} worker={} workers={} servers={} partitions={}",
             request_.epoch(),
             request_.worker(),
             request_.workers(),
             request_.servers_size(),
             positions.names->size());
  progress_.Restore(std::move(positions));
  return Declare();
}

Status Session::Declare() {
  const auto declared = std::make_shared<Step>();
  client_.Declare([this, declared](const Status& status) {
    status.ok() ? progress_.Pulled(declared.get()) : Fail(status);
  });
  (void)progress_.AwaitPulled(*declared);
  return absl::OkStatus();
}

void Session::TrainAll() {
  const auto fail = [this](const Status& why) { Fail(why); };
  StatusOr<std::unique_ptr<Model>> model = MakeModel(context_.job.model);
  if (!model.ok()) {
    Fail(model.status());
    return;
  }
  if (context_.job.training.dense_products == Products::kBf16 && !HasBf16Products()) {
    Log().warn("this processor has no instructions for bf16: dense_products: bf16 gains nothing");
  }
  StatusOr<ScoreGroups> groups = ScoreGroups::Make(context_.job.evaluation, context_.job.model);
  if (!groups.ok()) {
    Fail(groups.status());
    return;
  }
  StatusOr<HeldOut> held_out = HeldOut::Load(context_.env.files,
                                             context_.env.clock,
                                             context_.job,
                                             context_.parser,
                                             DetailsFor(context_.job.model),
                                             request_.worker(),
                                             request_.workers());
  if (!held_out.ok()) {
    Fail(held_out.status());
    return;
  }
  reader_.Start(fail);
  Trainer trainer(context_.job,
                  **model,
                  *std::move(groups),
                  *std::move(held_out),
                  context_.env.clock,
                  reader_,
                  client_,
                  progress_,
                  context_.metrics,
                  context_.options.on_step,
                  fail);
  if (trainer.Run()) {
    Log().info("streams have ended epoch={} worker={}", request_.epoch(), request_.worker());
    if (context_.options.on_news) {
      context_.options.on_news();
    }
  }
  reader_.Join();   // it announces through the client
  client_.Close();  // its callbacks know the trainer
}

void Session::Cancel() {
  progress_.Cancel();
  reader_.Stop();
}

// On any thread.
void Session::Fail(const Status& why) {
  if (!progress_.Fail(why)) {
    return;
  }
  // Servers that have begun another epoch are no fault: the next StartSession is on its way.
  Log().log(absl::IsAborted(why) ? spdlog::level::info : spdlog::level::err,
            "session cannot go on epoch={} worker={} error=\"{}\"",
            request_.epoch(),
            request_.worker(),
            why.ToString());
  reader_.Stop();
  if (context_.options.on_news) {
    context_.options.on_news();
  }
}

}  // namespace freshet::worker
