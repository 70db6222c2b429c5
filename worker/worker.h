#pragma once
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "common/env/env.h"
#include "common/job/job_config.h"
#include "common/rpc/rpc.h"
#include "common/sample/sample_format.h"
#include "common/status.h"
#include "common/stream/stream.h"
#include "proto/control.pb.h"
#include "worker/metrics.h"
#include "worker/options.h"
#include "worker/receive/receiver.h"
#include "worker/session.h"

namespace freshet::worker {

// A worker: listens for the coordinator and trains, session after session, until it is destroyed.
// A request of an epoch before the one it is in is refused with Aborted.
class Worker {
 public:
  // `env` and `metrics` outlive the worker.
  static StatusOr<std::unique_ptr<Worker>> Start(const Env& env,
                                                 WorkerOptions options,
                                                 JobConfig job,
                                                 Metrics& metrics);
  ~Worker();

  std::string address() const { return server_->address(); }

  // What a heartbeat tells. Thread-safety: any thread.
  proto::MemberReport Report() const;

 private:
  Worker(const Env& env,
         WorkerOptions options,
         JobConfig job,
         std::unique_ptr<SampleParser> parser,
         std::unique_ptr<rpc::Server> server,
         Metrics& metrics);

  Status Receive();
  void Listen();
  StatusOr<proto::StartSessionResponse> StartSession(const proto::StartSessionRequest& request);
  StatusOr<proto::HoldResponse> Hold(const proto::HoldRequest& request) const;
  void Pause(const proto::PauseRequest& request, rpc::Responder respond) const;
  void Resume(const proto::ResumeRequest& request, rpc::Responder respond) const;
  Status CheckSession(const proto::StartSessionRequest& request) const;
  StatusOr<std::shared_ptr<Session>> SessionOf(uint64_t epoch) const;
  void RunSessions();

  const Env& env_;
  const WorkerOptions options_;
  const JobConfig job_;
  WorkerMetrics metrics_;
  std::unique_ptr<Receiver> receiver_;  // of worker 0, if samples are received
  std::unique_ptr<Stream> stream_;
  const std::unique_ptr<SampleParser> parser_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;                         // with the mutex held
  std::shared_ptr<Session> current_;              // with the mutex held
  std::deque<std::shared_ptr<Session>> started_;  // with the mutex held; not yet run

  std::unique_ptr<rpc::Server> server_;
  std::thread thread_;  // runs the sessions, one after the other
};

}  // namespace freshet::worker
