#include "ps/training_service.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

#include "common/cluster/packed_payload.h"
#include "common/cluster/wire_floats.h"
#include "common/model/feature_policy.h"
#include "common/mutant.h"
#include "common/rpc/typed.h"
#include "ps/count_check.h"
#include "ps/gradient_check.h"
#include "ps/model_check.h"
#include "ps/push_payload.h"
#include "ps/split.h"

namespace freshet::ps {
namespace {

uint32_t SecondsOf(int64_t unix_ms) {
  return static_cast<uint32_t>(
      std::clamp<int64_t>(unix_ms / 1000, 0, std::numeric_limits<uint32_t>::max()));
}

bool AnyRules(const proto::ModelSpec& model) {
  return std::any_of(model.embedding_variables().begin(),
                     model.embedding_variables().end(),
                     [](const auto& variable) { return HasRules(variable.policy()); });
}

// Adds up what one owner thread holds. It may know more variables than those before it, if it heard
// of the model while the others had answered already.
void AddStats(const std::vector<proto::VariableStats>& of_thread,
              proto::PsStatsResponse* response) {
  for (size_t i = 0; i < of_thread.size(); ++i) {
    const int index = static_cast<int>(i);
    if (index == response->variables_size()) {
      *response->add_variables() = of_thread[i];
      continue;
    }
    proto::VariableStats& sum = *response->mutable_variables(index);
    sum.set_rows(sum.rows() + of_thread[i].rows());
    sum.set_bytes(sum.bytes() + of_thread[i].bytes());
  }
}

}  // namespace

// What a pull needs until it is answered.
struct TrainingService::PullWork {
  proto::PullRequest request;
  Buffer payload;
  rpc::Responder respond;
  std::chrono::nanoseconds start;
  std::shared_ptr<Session> session;
  SplitPayload split;
  std::vector<uint32_t> threads;  // the owner threads at work
  bool in_flight = false;         // counted in pulls_in_flight_
  Buffer answer;                  // float32
  uint64_t oldest_step = 0;

  uint64_t dense_floats() const {
    uint64_t floats = 0;
    for (const DensePart& part : split.dense) {
      floats += part.floats;
    }
    return floats;
  }
};

struct TrainingService::PushWork {
  proto::PushRequest request;
  Buffer payload;
  std::shared_ptr<Session> session;
  SplitPayload split;
  std::vector<uint32_t> threads;
  bool advances = false;  // every table must hear how far the stream has come

  std::span<const Key> keys() const { return payload.as<Key>(0, split.keys); }

  std::span<const float> gradients() const {
    return payload.as<float>(split.keys * sizeof(Key), split.floats);
  }

  // None if the push brings none.
  std::span<const KeyCount> counts() const {
    return payload.as<KeyCount>(split.keys * sizeof(Key) + split.floats * sizeof(float),
                                request.counts() ? split.keys : 0);
  }

  bool empty() const { return request.runs_size() == 0 && request.dense_size() == 0; }

  uint64_t bytes() const {
    const uint64_t count_bytes = request.counts() ? split.keys * sizeof(KeyCount) : 0;
    return split.keys * sizeof(Key) + split.floats * sizeof(float) + count_bytes;
  }
};

namespace {

// From a message, which may say anything.
Status CheckType(proto::ValueType type) {
  return proto::ValueType_IsValid(type)
             ? absl::OkStatus()
             : InvalidArgument("there is no value type {}", static_cast<int>(type));
}

// How many keys of a pull the transport's thread may read itself where their owner is idle. Few:
// that is sooner done than the owner woken. Many would keep it from the next request meanwhile,
// unless there is no other core for the owner either. None if it would have to wait for a disk.
uint64_t KeysHere(const PsOptions& options) {
  constexpr uint64_t kFew = 1024;
  if (!options.storage.directory.empty()) {
    return 0;
  }
  return std::thread::hardware_concurrency() == 1 ? std::numeric_limits<uint64_t>::max() : kFew;
}

}  // namespace

TrainingService::TrainingService(const PsOptions& options,
                                 CurrentSession& current,
                                 const OwnerThreads& owners,
                                 PsMetrics& metrics,
                                 const Clock& clock)
    : options_(options),
      current_(current),
      owners_(owners),
      metrics_(metrics),
      clock_(clock),
      keys_here_(KeysHere(options)) {}

void TrainingService::Register(rpc::Server& server) {
  rpc::HandleTyped<proto::DeclareRequest>(
      server,
      rpc::Method::kDeclare,
      [this](const proto::DeclareRequest& request, Buffer /*body*/, rpc::Responder respond) {
        Declare(request, std::move(respond));
      });
  rpc::HandleTyped<proto::PullRequest>(
      server,
      rpc::Method::kPull,
      [this](proto::PullRequest request, Buffer body, rpc::Responder respond) {
        Pull(std::move(request), std::move(body), std::move(respond));
      },
      [this](const Status& status) { metrics_.CountRefusedPull(status); });
  rpc::HandleTyped<proto::PushRequest>(
      server,
      rpc::Method::kPush,
      [this](proto::PushRequest request, Buffer body, rpc::Responder respond) {
        Push(std::move(request), std::move(body), std::move(respond));
      },
      [this](const Status& status) { metrics_.CountRefusedPush(status); });
  rpc::HandleTyped<proto::PsStatsRequest>(
      server,
      rpc::Method::kPsStats,
      [this](const proto::PsStatsRequest&, Buffer /*body*/, rpc::Responder respond) {
        Stats(std::move(respond));
      });
}

std::vector<OwnerThread*> TrainingService::Pick(std::vector<uint32_t>& threads) const {
  if (threads.empty()) {
    threads.push_back(0);
  }
  std::vector<OwnerThread*> picked;
  picked.reserve(threads.size());
  for (const uint32_t thread : threads) {
    picked.push_back(owners_[thread].get());
  }
  return picked;
}

// A session that holds pulls lets them go with its lock held, which the end of one may take. So it
// does with pushes.
Where TrainingService::WhereToRead(const PullWork& work) const {
  return work.split.keys <= keys_here_ && !work.session->holds_pulls() ? Where::kHereIfIdle
                                                                       : Where::kOwner;
}

double TrainingService::SecondsSince(std::chrono::nanoseconds start) const {
  return std::chrono::duration<double>(clock_.Monotonic() - start).count();
}

void TrainingService::Declare(const proto::DeclareRequest& request, rpc::Responder respond) {
  Status status = CheckModel(request.model());
  if (status.ok()) {
    StatusOr<std::shared_ptr<Session>> session = current_.Find(request.epoch());
    status = session.status();
    if (status.ok()) {
      // Tables are made before any request that needs them: owners work in order.
      status = (*session)->Declare(request.model(),
                                   [&](const std::shared_ptr<const proto::ModelSpec>& model) {
                                     FanOutToAll(
                                         owners_,
                                         (*session)->epoch(),
                                         [model](Shard& shard, size_t) {
                                           shard.Declare(*model);
                                           return absl::OkStatus();
                                         },
                                         [](const Status&) {});
                                   });
    }
  }
  if (status.ok()) {
    respond(rpc::MakeMessage(proto::DeclareResponse()));
  } else {
    respond(status);
  }
}

// ---- pull

Status TrainingService::PreparePull(PullWork& work) const {
  FRESHET_ASSIGN_OR_RETURN(work.session, current_.Find(work.request.epoch()));
  FRESHET_RETURN_IF_ERROR(CheckType(work.request.values()));
  if (!proto::Compression_IsValid(work.request.compression())) {
    return InvalidArgument("there is no compression {}",
                           static_cast<int>(work.request.compression()));
  }
  FRESHET_ASSIGN_OR_RETURN(const auto model, work.session->model());
  FRESHET_ASSIGN_OR_RETURN(work.split,
                           SplitByOwner(*model,
                                        work.session->ownership(),
                                        work.request.runs(),
                                        work.request.dense(),
                                        work.payload.bytes()));
  FRESHET_RETURN_IF_ERROR(
      CheckPayloadSize("pull", work.payload.size(), work.split.keys * sizeof(Key)));
  if (work.split.floats * sizeof(float) > options_.max_answer_bytes) {
    return InvalidArgument("the answer to this pull would have {} bytes, at most {} are allowed",
                           work.split.floats * sizeof(float),
                           options_.max_answer_bytes);
  }
  work.threads = work.split.Owners();
  return absl::OkStatus();
}

void TrainingService::Pull(proto::PullRequest request, Buffer payload, rpc::Responder respond) {
  const auto work = std::make_shared<PullWork>();
  work->request = std::move(request);
  work->payload = std::move(payload);
  work->respond = std::move(respond);
  work->start = clock_.Monotonic();
  if (const Status status = PreparePull(*work); !status.ok()) {
    FinishPull(*work, status);
    return;
  }
  work->session->BeginPull(
      work->request.worker(), work->request.step(), [this, work](const Status& status) {
        if (status.ok()) {
          Read(work);
        } else {
          FinishPull(*work, status);
        }
      });
}

// Pulls that a bsp step holds back do not count as in flight: they take no answer's memory, and
// must not keep out the one that the step waits for.
void TrainingService::Read(const std::shared_ptr<PullWork>& work) {
  work->in_flight = true;
  work->oldest_step = work->session->oldest_step();
  if (pulls_in_flight_.fetch_add(1) >= options_.max_pulls_in_flight) {
    FinishPull(*work,
               ResourceExhausted("{} pulls are being answered already, at most so many at a time",
                                 options_.max_pulls_in_flight));
    return;
  }
  work->answer = Buffer(work->split.floats * sizeof(float));
  const std::vector<OwnerThread*> picked = Pick(work->threads);
  FanOut(
      picked,
      work->session->epoch(),
      [work](Shard& shard, size_t i) {
        const uint32_t thread = work->threads[i];
        const std::span<float> floats = work->answer.as<float>(0, work->split.floats);
        for (const OwnedRun& run : work->split.by_owner[thread]) {
          FRESHET_RETURN_IF_ERROR(shard.embedding(run.variable)
                                      .Pull(run.keys,
                                            run.positions,
                                            floats.subspan(run.first_float, run.floats),
                                            run.slot));
        }
        if (thread == 0) {
          for (const DensePart& part : work->split.dense) {
            shard.dense(part.variable).Pull(floats.subspan(part.first_float, part.floats));
          }
        }
        return absl::OkStatus();
      },
      [this, work](const Status& status) { FinishPull(*work, status); },
      WhereToRead(*work));
}

// The answer in the type that was asked for, not compressed yet.
Buffer TrainingService::EncodeAnswer(PullWork& work) {
  const proto::ValueType type = work.request.values();
  if (type == proto::F32) {
    return std::move(work.answer);
  }
  const uint64_t dense = work.dense_floats();
  const uint64_t rows = work.split.floats - dense;
  Buffer encoded(WireFloatBytes(rows, dense, type));
  const std::span<const float> floats = work.answer.as<float>(0, work.split.floats);
  EncodeFloats(floats.first(rows), floats.subspan(rows), type, encoded.data());
  return encoded;
}

void TrainingService::FinishPull(PullWork& work, const Status& status) {
  if (work.in_flight) {
    pulls_in_flight_.fetch_sub(1);
  }
  if (!status.ok()) {
    metrics_.CountRefusedPull(status);
    work.respond(status);
    return;
  }
  metrics_.pull_keys.Increment(static_cast<double>(work.split.keys));
  metrics_.pull_seconds.Observe(SecondsSince(work.start));
  proto::PullResponse response;
  response.set_oldest_step(work.oldest_step);
  proto::Packed packed;
  Buffer answer = PackPayload(work.request.compression(), EncodeAnswer(work), &packed);
  if (packed.codec() != proto::PLAIN) {
    *response.mutable_packed() = packed;
  }
  work.respond(rpc::MakeMessage(response, std::move(answer)));
}

// ---- push

Status TrainingService::PreparePush(PushWork& work) const {
  FRESHET_RETURN_IF_ERROR(CheckType(work.request.gradients()));
  FRESHET_ASSIGN_OR_RETURN(work.session, current_.Find(work.request.epoch()));
  FRESHET_ASSIGN_OR_RETURN(work.payload,
                           UnpackPayload(work.request.packed(), std::move(work.payload)));
  const StatusOr<std::shared_ptr<const proto::ModelSpec>> model = work.session->model();
  if (work.empty()) {
    // May come before the model is declared, from a worker that has nothing to train on.
    work.split.by_owner.resize(owners_.size());
    FRESHET_RETURN_IF_ERROR(CheckPayloadSize("push", work.payload.size(), 0));
  } else {
    FRESHET_RETURN_IF_ERROR(model.status());
    if (work.request.gradients() != proto::F32) {
      FRESHET_ASSIGN_OR_RETURN(work.payload, DecodePush(**model, work.request, work.payload));
    }
    FRESHET_RETURN_IF_ERROR(CheckPush(**model, work));
  }
  // A push that only says that its worker leaves has trained nothing, and keeps no order in bsp: if
  // it moved the clock, rows would depend on when it came.
  const bool leaves = work.empty() && work.request.last();
  work.advances = model.ok() && !leaves && AnyRules(**model);
  work.threads = work.split.Owners();
  if (work.advances) {
    work.threads.resize(owners_.size());
    std::iota(work.threads.begin(), work.threads.end(), 0U);
  }
  return absl::OkStatus();
}

Status TrainingService::CheckPush(const proto::ModelSpec& model, PushWork& work) const {
  FRESHET_ASSIGN_OR_RETURN(work.split,
                           SplitByOwner(model,
                                        work.session->ownership(),
                                        work.request.runs(),
                                        work.request.dense(),
                                        work.payload.bytes()));
  FRESHET_RETURN_IF_ERROR(CheckPayloadSize("push", work.payload.size(), work.bytes()));
  if (work.request.counts()) {
    FRESHET_RETURN_IF_ERROR(CheckCounts(model, work.request, work.keys(), work.counts()));
  }
  Status status = CheckGradients(model, work.request, work.keys(), work.gradients());
  if (!status.ok() && work.request.worker() < work.session->workers()) {
    metrics_.CountBadGradients(work.request.worker());
  }
  return status;
}

void TrainingService::Push(proto::PushRequest request, Buffer payload, rpc::Responder respond) {
  const std::chrono::nanoseconds start = clock_.Monotonic();
  const auto work = std::make_shared<PushWork>();
  work->request = std::move(request);
  work->payload = std::move(payload);
  AppliedPushes::Done done =
      [this, start, respond = std::move(respond)](const Status& status) mutable {
        if (!status.ok()) {
          metrics_.CountRefusedPush(status);
          respond(status);
          return;
        }
        metrics_.push_seconds.Observe(SecondsSince(start));
        respond(rpc::MakeMessage(proto::PushResponse()));
      };
  if (const Status status = PreparePush(*work); !status.ok()) {
    done(status);
    return;
  }
  const Session::PushOrder order{.worker = work->request.worker(),
                                 .sequence = work->request.sequence(),
                                 .step = work->request.step(),
                                 .last = work->request.last(),
                                 .empty = work->empty()};
  if (work->session->BeginPush(
          order, [this, work] { Apply(work); }, std::move(done))) {
    metrics_.repeated_pushes.Increment();
  }
}

void TrainingService::Apply(const std::shared_ptr<PushWork>& work) {
  const std::vector<OwnerThread*> picked = Pick(work->threads);
  if (Mutant("ps_applies_twice") && work->request.sequence() % 32 == 5) {
    FanOut(
        picked,
        work->session->epoch(),
        [work](Shard& shard, size_t i) { return ApplyTo(shard, *work, work->threads[i]); },
        [](const Status&) {});
  }
  FanOut(
      picked,
      work->session->epoch(),
      [work](Shard& shard, size_t i) { return ApplyTo(shard, *work, work->threads[i]); },
      [this, work](const Status& status) { FinishPush(*work, status); });
}

// What the push has for one owner thread.
Status TrainingService::ApplyTo(Shard& shard, const PushWork& work, uint32_t thread) {
  const std::span<const float> gradients = work.gradients();
  const std::span<const KeyCount> counts = work.counts();
  PushContext context{.event_time_s = SecondsOf(work.request.event_time_ms()),
                      .step = work.request.stream_step()};
  if (work.advances) {
    FRESHET_RETURN_IF_ERROR(
        shard.Advance({.step = context.step, .event_time_s = context.event_time_s}));
  }
  for (const OwnedRun& run : work.split.by_owner[thread]) {
    context.slot = run.slot;
    context.counts = counts.empty() ? counts : counts.subspan(run.first_key, run.run_keys);
    FRESHET_RETURN_IF_ERROR(
        shard.embedding(run.variable)
            .Push(
                run.keys, run.positions, gradients.subspan(run.first_float, run.floats), context));
  }
  if (thread == 0) {
    for (const DensePart& part : work.split.dense) {
      shard.dense(part.variable)
          .Push(gradients.subspan(part.first_float, part.floats), context.step);
    }
  }
  return absl::OkStatus();
}

void TrainingService::FinishPush(PushWork& work, const Status& status) {
  if (status.ok()) {
    metrics_.push_keys.Increment(static_cast<double>(work.split.keys));
  }
  work.session->FinishPush(work.request.worker(), work.request.sequence(), status);
}

// ---- statistics

void TrainingService::Stats(rpc::Responder respond) {
  const std::shared_ptr<Session> session = current_.Get();
  if (session == nullptr) {
    respond(rpc::MakeMessage(proto::PsStatsResponse()));
    return;
  }
  const auto by_thread =
      std::make_shared<std::vector<std::vector<proto::VariableStats>>>(owners_.size());
  FanOutToAll(
      owners_,
      session->epoch(),
      [by_thread](Shard& shard, size_t thread) {
        (*by_thread)[thread] = shard.Stats();
        return absl::OkStatus();
      },
      [by_thread, respond = std::move(respond)](const Status& status) mutable {
        if (!status.ok()) {
          respond(status);
          return;
        }
        proto::PsStatsResponse response;
        for (const std::vector<proto::VariableStats>& of_thread : *by_thread) {
          AddStats(of_thread, &response);
        }
        respond(rpc::MakeMessage(response));
      });
}

}  // namespace freshet::ps
