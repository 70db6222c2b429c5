#include "worker/worker.h"

#include <memory>
#include <utility>

#include "common/mutant.h"
#include "common/rpc/typed.h"
#include "common/sample/feature_mapper.h"
#include "worker/log.h"

namespace freshet::worker {
namespace {

template <typename Proto>
void Answer(rpc::Responder respond, const StatusOr<Proto>& response) {
  if (response.ok()) {
    respond(rpc::MakeMessage(*response));
  } else {
    respond(response.status());
  }
}

StatusOr<proto::ResumeResponse> ResumeResponse(const Status& status) {
  if (!status.ok()) {
    return status;
  }
  return proto::ResumeResponse();
}

Status WrongEpoch(uint32_t rank, const std::shared_ptr<Session>& current, uint64_t asked) {
  return Aborted("worker-{}: it is in epoch {}, the request is of {}",
                 rank,
                 current == nullptr ? 0 : current->epoch(),
                 asked);
}

}  // namespace

StatusOr<std::unique_ptr<Worker>> Worker::Start(const Env& env,
                                                WorkerOptions options,
                                                JobConfig job,
                                                Metrics& metrics) {
  FRESHET_RETURN_IF_ERROR(MakeModel(job.model).status());
  FRESHET_ASSIGN_OR_RETURN(const FeatureMapper mapper, FeatureMapper::Make(job.model));
  FRESHET_ASSIGN_OR_RETURN(std::unique_ptr<SampleParser> parser,
                           MakeSampleParser(job.format, mapper));
  FRESHET_ASSIGN_OR_RETURN(std::unique_ptr<rpc::Server> server,
                           env.transport.Listen(options.listen));
  std::unique_ptr<Worker> worker(new Worker(
      env, std::move(options), std::move(job), std::move(parser), std::move(server), metrics));
  FRESHET_RETURN_IF_ERROR(worker->Receive());
  worker->Listen();
  return worker;
}

Worker::Worker(const Env& env,
               WorkerOptions options,
               JobConfig job,
               std::unique_ptr<SampleParser> parser,
               std::unique_ptr<rpc::Server> server,
               Metrics& metrics)
    : env_(env),
      options_(std::move(options)),
      job_(std::move(job)),
      metrics_(metrics),
      stream_(MakeFileStream(env.files, env.clock, job_.stream)),
      parser_(std::move(parser)),
      server_(std::move(server)),
      thread_([this] { RunSessions(); }) {}

Worker::~Worker() {
  server_.reset();  // no request begins a session any more
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    if (current_ != nullptr) {
      current_->Cancel();
    }
  }
  changed_.notify_all();
  thread_.join();
}

// Before any session: what the receiver finds and clears away decides what the stream is.
Status Worker::Receive() {
  if (job_.receive && options_.rank == 0) {
    FRESHET_ASSIGN_OR_RETURN(receiver_, Receiver::Start(env_.files, env_.clock, job_, metrics_));
    stream_ = MakeReceivedStream(std::move(stream_), *receiver_);
    return absl::OkStatus();
  }
  return job_.receive ? CreateDirectoriesDurably(env_.files, job_.stream.path) : absl::OkStatus();
}

void Worker::Listen() {
  rpc::HandleTyped<proto::StartSessionRequest>(
      *server_,
      rpc::Method::kStartSession,
      [this](const proto::StartSessionRequest& request, const Buffer&, rpc::Responder respond) {
        Answer(std::move(respond), StartSession(request));
      });
  rpc::HandleTyped<proto::HoldRequest>(
      *server_,
      rpc::Method::kHold,
      [this](const proto::HoldRequest& request, const Buffer&, rpc::Responder respond) {
        Answer(std::move(respond), Hold(request));
      });
  rpc::HandleTyped<proto::PauseRequest>(
      *server_,
      rpc::Method::kPause,
      [this](const proto::PauseRequest& request, const Buffer&, rpc::Responder respond) {
        Pause(request, std::move(respond));
      });
  rpc::HandleTyped<proto::ResumeRequest>(
      *server_,
      rpc::Method::kResume,
      [this](const proto::ResumeRequest& request, const Buffer&, rpc::Responder respond) {
        Resume(request, std::move(respond));
      });
  server_->Start();
}

StatusOr<proto::StartSessionResponse> Worker::StartSession(
    const proto::StartSessionRequest& request) {
  FRESHET_RETURN_IF_ERROR(CheckSession(request));
  proto::StartSessionResponse response;
  *response.mutable_model() = job_.model;
  const std::lock_guard lock(mutex_);
  const uint64_t epoch = current_ == nullptr ? 0 : current_->epoch();
  if (request.epoch() < epoch) {
    return WrongEpoch(options_.rank, current_, request.epoch());
  }
  if (current_ != nullptr && request.epoch() == epoch) {
    return response;  // asked again because the first answer was lost
  }
  if (current_ != nullptr) {
    current_->Cancel();
  }
  const SessionContext context{.env = env_,
                               .job = job_,
                               .stream = *stream_,
                               .parser = *parser_,
                               .metrics = metrics_,
                               .options = options_};
  current_ = std::make_shared<Session>(context, request);
  started_.push_back(current_);
  changed_.notify_all();
  return response;
}

Status Worker::CheckSession(const proto::StartSessionRequest& request) const {
  if (request.worker() != options_.rank || request.worker() >= request.workers()) {
    return InvalidArgument("this is worker-{}, the session is for worker {} of {}",
                           options_.rank,
                           request.worker(),
                           request.workers());
  }
  if (request.servers().empty() ||
      request.partition_count() < static_cast<uint32_t>(request.servers_size())) {
    return InvalidArgument(
        "{} servers for {} partitions: there must be a server, and a partition for each",
        request.servers_size(),
        request.partition_count());
  }
  return absl::OkStatus();
}

StatusOr<proto::HoldResponse> Worker::Hold(const proto::HoldRequest& request) const {
  FRESHET_ASSIGN_OR_RETURN(const std::shared_ptr<Session> session, SessionOf(request.epoch()));
  return session->progress().Hold();
}

void Worker::Pause(const proto::PauseRequest& request, rpc::Responder respond) const {
  const StatusOr<std::shared_ptr<Session>> session = SessionOf(request.epoch());
  if (!session.ok()) {
    respond(session.status());
    return;
  }
  const auto shared = std::make_shared<rpc::Responder>(std::move(respond));
  (*session)->progress().Pause(request.step(),
                               [shared](const StatusOr<proto::PauseResponse>& response) {
                                 Answer(std::move(*shared), response);
                               });
}

// By now every worker has said up to where it has read. What was read there must be on disk before
// the version that says so: a crash of the machine would leave a version of samples that are not in
// the stream. Training goes on meanwhile; only the answer, and with it the version, waits.
void Worker::Resume(const proto::ResumeRequest& request, rpc::Responder respond) const {
  const auto resume = [&]() -> Status {
    FRESHET_ASSIGN_OR_RETURN(const std::shared_ptr<Session> session, SessionOf(request.epoch()));
    return session->progress().Resume(request.window_taken());
  };
  const Status status = resume();
  if (!status.ok() || receiver_ == nullptr || !request.window_taken()) {
    Answer(std::move(respond), ResumeResponse(status));
    return;
  }
  const auto shared = std::make_shared<rpc::Responder>(std::move(respond));
  receiver_->WhenSynced(
      [shared](const Status& synced) { Answer(std::move(*shared), ResumeResponse(synced)); });
}

StatusOr<std::shared_ptr<Session>> Worker::SessionOf(uint64_t epoch) const {
  const std::lock_guard lock(mutex_);
  if (current_ == nullptr || epoch > current_->epoch() ||
      (epoch < current_->epoch() && !Mutant("worker_accepts_old_epochs"))) {
    return WrongEpoch(options_.rank, current_, epoch);
  }
  return current_;
}

// Takes each session in turn; one that has been cancelled meanwhile returns at once. A session is
// run here also then, so that its connections are closed here and not on a transport thread.
void Worker::RunSessions() {
  while (true) {
    std::shared_ptr<Session> session;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || !started_.empty(); });
      if (started_.empty()) {
        return;
      }
      session = std::move(started_.front());
      started_.pop_front();
    }
    session->Run();
  }
}

proto::MemberReport Worker::Report() const {
  proto::MemberReport report;
  const std::lock_guard lock(mutex_);
  if (current_ != nullptr) {
    current_->progress().FillReport(&report);
  }
  return report;
}

}  // namespace freshet::worker
