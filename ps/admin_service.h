#pragma once
#include <cstdint>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "common/buffer.h"
#include "common/ids.h"
#include "common/rpc/rpc.h"
#include "proto/ps.pb.h"
#include "ps/metrics.h"
#include "ps/owner_thread.h"
#include "ps/session.h"

namespace freshet::ps {

// What people do to rows, by way of the coordinator: delete keys, take away all rows that a rule
// evicts, explain a key. Requests of training wait while an owner thread looks through its rows.
// Thread-safety: any thread. What is passed to the constructor outlives the service, and the owner
// threads have ended before the service does.
class AdminService {
 public:
  AdminService(CurrentSession& current, const OwnerThreads& owners, PsMetrics& metrics);

  void Register(rpc::Server& server);

 private:
  void Delete(const proto::DeleteRequest& request, Buffer payload, rpc::Responder respond);
  void Evict(const proto::EvictRequest& request, rpc::Responder respond);
  void Explain(const proto::ExplainRequest& request, rpc::Responder respond);

  // Runs work(shard, i) on threads[i], then `done`.
  void Run(const std::vector<uint32_t>& threads,
           Epoch epoch,
           absl::AnyInvocable<Status(Shard&, size_t) const> work,
           absl::AnyInvocable<void(Status)> done) const;

  CurrentSession& current_;
  const OwnerThreads& owners_;
  PsMetrics& metrics_;
};

}  // namespace freshet::ps
