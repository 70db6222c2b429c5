#pragma once
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "common/version_log/retention.h"
#include "coordinator/context.h"

namespace freshet::coordinator {

struct RemovedVersions {
  std::vector<VersionId> versions;
  uint64_t bytes = 0;
};

// Removes versions that the rules of retention let go, on a thread of its own.
// Thread-safety: any thread.
class Housekeeper {
 public:
  // `context` outlives this. `on_removed` is called after each round that removed something.
  Housekeeper(const Context& context,
              std::function<void(const StatusOr<RemovedVersions>&)> on_removed);
  ~Housekeeper();

  // The log has grown. It is looked at soon, though not each time.
  void Wake();

  // As long as this is held, no version goes: for whoever is about to make an old one current.
  std::unique_lock<std::mutex> KeepAll();

  // Removes what may go, and tells `done` what went, on the thread of its own. A dry run only
  // tells. Unavailable after Stop.
  using Done = absl::AnyInvocable<void(const StatusOr<RemovedVersions>&)>;
  void Collect(bool dry_run, Done done);

  // Ends the thread. Nothing is removed any more.
  void Stop();

 private:
  struct Ask {
    bool dry_run = false;
    Done done;
  };

  void Run();
  void Answer(std::vector<Ask> asked, bool woken);
  StatusOr<RemovedVersions> FindRemovable();
  StatusOr<RemovedVersions> RemoveAll();
  StatusOr<bool> RetireOne(RemovedVersions* removed);
  StatusOr<std::vector<VersionId>> Plan();

  const Context& context_;
  const std::function<void(const StatusOr<RemovedVersions>&)> on_removed_;

  std::mutex log_changes_;
  LogFacts facts_;  // guarded by log_changes_

  std::mutex mutex_;
  std::condition_variable changed_;
  bool woken_ = false;      // guarded by mutex_
  std::vector<Ask> asked_;  // guarded by mutex_
  bool stopping_ = false;   // guarded by mutex_

  std::thread thread_;
};

}  // namespace freshet::coordinator
