#pragma once
#include <memory>

#include "common/env/clock.h"
#include "common/env/file_system.h"
#include "common/rpc/rpc.h"
#include "common/version_log/version_log.h"
#include "proto/ps.pb.h"
#include "ps/metrics.h"
#include "ps/options.h"
#include "ps/owner_thread.h"
#include "ps/session.h"
#include "ps/task_thread.h"
#include "ps/tier/cold_store.h"

namespace freshet::ps {

// Answers restores: begins the epoch at once, so that the one before is refused, then loads the
// version on a thread of its own. A later restore overtakes: the earlier one stops at the next
// part. Thread-safety: any thread. What is passed to the constructor outlives the service; the
// owner threads still run while the destructor waits for a restore under way.
class RestoreService {
 public:
  RestoreService(const PsOptions& options,
                 CurrentSession& current,
                 const OwnerThreads& owners,
                 ColdStore* store,
                 PsMetrics& metrics,
                 const Clock& clock,
                 FileSystem& files);

  void Register(rpc::Server& server);

 private:
  void Restore(const proto::RestoreRequest& request, rpc::Responder respond);

  // On the restoring thread.
  void Run(const std::shared_ptr<Session>& session,
           const proto::RestoreRequest& request,
           rpc::Responder respond);
  Status Load(const std::shared_ptr<Session>& session, const proto::RestoreRequest& request);
  Status LoadParts(const Session& session,
                   const proto::ModelSpec& model,
                   const VersionLog& log,
                   VersionId version);
  // Mixes a base into what was loaded.
  Status Blend(const Session& session, const proto::RestoreRequest& request);

  CurrentSession& current_;
  const OwnerThreads& owners_;
  ColdStore* const store_;  // null: all rows are in memory
  PsMetrics& metrics_;
  const Clock& clock_;
  FileSystem& files_;
  const VersionLog log_;
  TaskThread restorer_;
};

}  // namespace freshet::ps
