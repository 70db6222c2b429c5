#pragma once
#include <atomic>

#include "common/buffer.h"
#include "common/rpc/rpc.h"
#include "proto/ps.pb.h"
#include "ps/metrics.h"
#include "ps/options.h"
#include "ps/owner_thread.h"
#include "ps/session.h"

namespace freshet::ps {

// Takes up what workers announce: the keys that they will pull soon. Checks and splits a request,
// posts it to the owner threads, and answers without waiting for them. More than
// max_announcements_in_flight are dropped, and answered all the same.
// Thread-safety: any thread. What is passed to the constructor outlives the service, and the owner
// threads have ended before the service does.
class AnnounceService {
 public:
  AnnounceService(const PsOptions& options,
                  CurrentSession& current,
                  const OwnerThreads& owners,
                  PsMetrics& metrics);

  void Register(rpc::Server& server);

 private:
  struct Work;

  Status Announce(const proto::AnnounceRequest& request, Buffer payload);
  void Post(const std::shared_ptr<Work>& work);

  const PsOptions options_;
  CurrentSession& current_;
  const OwnerThreads& owners_;
  PsMetrics& metrics_;
  std::atomic<uint32_t> in_flight_ = 0;
};

}  // namespace freshet::ps
