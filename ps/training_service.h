#pragma once
#include <atomic>
#include <chrono>
#include <memory>

#include "common/buffer.h"
#include "common/env/clock.h"
#include "common/rpc/rpc.h"
#include "proto/ps.pb.h"
#include "ps/metrics.h"
#include "ps/options.h"
#include "ps/owner_thread.h"
#include "ps/session.h"

namespace freshet::ps {

// Answers declare, pull, push and statistics: checks a request, splits it by owner thread, and
// answers when the last owner has finished.
// Thread-safety: any thread. What is passed to the constructor outlives the service, and the owner
// threads have ended before the service does.
class TrainingService {
 public:
  TrainingService(const PsOptions& options,
                  CurrentSession& current,
                  const OwnerThreads& owners,
                  PsMetrics& metrics,
                  const Clock& clock);

  void Register(rpc::Server& server);

 private:
  struct PullWork;
  struct PushWork;

  void Declare(const proto::DeclareRequest& request, rpc::Responder respond);
  void Pull(proto::PullRequest request, Buffer payload, rpc::Responder respond);
  void Push(proto::PushRequest request, Buffer payload, rpc::Responder respond);
  void Stats(rpc::Responder respond);

  // Fills in what the request says; InvalidArgument if it makes no sense.
  Status PreparePull(PullWork& work) const;
  Status PreparePush(PushWork& work) const;
  Status CheckPush(const proto::ModelSpec& model, PushWork& work) const;
  // Post the work to the owner threads.
  void Read(const std::shared_ptr<PullWork>& work);
  void Apply(const std::shared_ptr<PushWork>& work);
  static Status ApplyTo(Shard& shard, const PushWork& work, uint32_t thread);
  static Buffer EncodeAnswer(PullWork& work);
  void FinishPull(PullWork& work, const Status& status);
  void FinishPush(PushWork& work, const Status& status);

  // Owner 0 if nobody has anything to do: it keeps the order, and checks the epoch.
  std::vector<OwnerThread*> Pick(std::vector<uint32_t>& threads) const;
  Where WhereToRead(const PullWork& work) const;
  double SecondsSince(std::chrono::nanoseconds start) const;

  const PsOptions options_;
  CurrentSession& current_;
  const OwnerThreads& owners_;
  PsMetrics& metrics_;
  const Clock& clock_;
  const uint64_t keys_here_;  // of a pull that the thread that received it may read
  std::atomic<uint32_t> pulls_in_flight_ = 0;
};

}  // namespace freshet::ps
