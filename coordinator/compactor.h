#pragma once
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "common/version_log/compaction.h"
#include "coordinator/context.h"
#include "coordinator/metrics.h"

namespace freshet::coordinator {

// Rolls the deltas of the log up into bases (common/version_log/compaction.h), one after the other,
// on a thread of its own that gives way to every other one for processor and disk.
// Thread-safety: any thread.
class Compactor {
 public:
  // Both outlive this.
  Compactor(const Context& context, CoordinatorMetrics& metrics);
  ~Compactor();

  // The log has come to `head`. An unfinished compaction of its chain goes on; else, if one is due,
  // that of `head` begins. Forgotten if one is under way, or has failed a moment ago: to be said
  // again at the next version.
  void Look(VersionId head, bool due);

  // The newest version that has become a base since this was made; 0: none.
  VersionId newest_base() const { return VersionId(newest_base_.load()); }

  // Ends the thread. What is under way goes on another time.
  void Stop();

 private:
  struct Ask {
    VersionId head;
    bool due = false;
  };

  void Run();
  // False: there was nothing to do.
  bool Try(const Ask& ask);
  Status KeepOn();

  const Context& context_;
  CoordinatorMetrics& metrics_;
  std::atomic<uint64_t> newest_base_ = 0;

  // The thread's.
  std::optional<std::chrono::nanoseconds> failed_at_;
  bool may_be_unfinished_ = true;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Ask> asked_;  // guarded by mutex_
  bool stopping_ = false;     // guarded by mutex_

  std::thread thread_;
};

}  // namespace freshet::coordinator
