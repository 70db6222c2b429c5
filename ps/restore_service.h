#pragma once
#include <memory>
#include <optional>
#include <vector>

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
// version on a thread of its own: all of it, or only the rows that may differ from those that are
// there. A later restore overtakes: the earlier one stops at the next
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
  // Goes to another version of our log by loading no more than what may differ. False: that cannot
  // be told, or nothing is there to begin with; the rows are to be cleared.
  StatusOr<bool> Rewind(const Session& session,
                        const proto::ModelSpec& model,
                        VersionId version,
                        const std::vector<proto::Manifest>& chain);
  // Whether the tables that are there are those that the session needs.
  bool FitsHeld(const Session& session, const proto::ModelSpec& model) const;
  // The deltas whose rows may differ, if the owner threads can keep the rest.
  StatusOr<std::optional<std::vector<proto::Manifest>>> KeepRows(const Session& session,
                                                                 VersionId version);
  // Has the owner threads find out which rows may differ. An error: they cannot, and have
  // everything as it was.
  Status Touch(const Session& session, const std::vector<proto::Manifest>& deltas);
  // Takes these rows away, and loads them. Returns how many keys they are.
  StatusOr<size_t> Reload(const Session& session,
                          const proto::ModelSpec& model,
                          const std::vector<proto::Manifest>& chain);
  // Whether what ended so may go well with a store that is new, or empty. It may have broken while
  // rows went down, of which nothing else tells.
  bool StoreFailed(const Status& status) const;
  Status LoadAll(const Session& session,
                 const proto::ModelSpec& model,
                 const VersionLog& log,
                 const std::vector<proto::Manifest>& chain);
  // `only`: the rows of these keys; null: all.
  Status LoadParts(const Session& session,
                   const VersionLog& log,
                   const std::vector<proto::Manifest>& chain,
                   const TouchedKeys* only);
  // Mixes a base into what was loaded.
  Status Blend(const Session& session, const proto::RestoreRequest& request);

  CurrentSession& current_;
  const OwnerThreads& owners_;
  ColdStore* const store_;  // null: all rows are in memory
  PsMetrics& metrics_;
  const Clock& clock_;
  FileSystem& files_;
  const VersionLog log_;
  // The restoring thread's: whose rows the owner threads have, whole; null: nobody's.
  std::shared_ptr<const Session> held_;
  TaskThread restorer_;
};

}  // namespace freshet::ps
