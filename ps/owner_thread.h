#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "common/ids.h"
#include "common/status.h"
#include "ps/shard.h"
#include "ps/task_thread.h"

namespace freshet::ps {

// The one thread that touches a shard, or who works in its place while it has nothing to do.
// Requests come first; a cut is copied in slices in between.
class OwnerThread {
 public:
  explicit OwnerThread(uint32_t thread, const ShardStorage& storage = {})
      : shard_(thread, storage), thread_([this] { return shard_.WorkBetween(); }) {}

  // Runs `task` on the thread, after all tasks posted before. Thread-safety: any thread.
  void Post(absl::AnyInvocable<void(Shard&)> task) {
    thread_.Post([this, task = std::move(task)]() mutable { task(shard_); });
  }

  // The same, but if the thread has nothing to do, the caller's does it now: see TaskThread.
  void RunOrPost(absl::AnyInvocable<void(Shard&)> task) {
    thread_.RunOrPost([this, task = std::move(task)]() mutable { task(shard_); });
  }

  // Thread-safety: any thread.
  uint64_t rows() const { return shard_.rows(); }

  uint64_t cold_rows() const { return shard_.cold_rows(); }

  uint64_t bytes() const { return shard_.bytes(); }

  uint64_t candidates() const { return shard_.candidates(); }

  EvictedRows evicted() const { return shard_.evicted(); }

 private:
  Shard shard_;
  TaskThread thread_;  // last: ends first
};

using OwnerThreads = std::vector<std::unique_ptr<OwnerThread>>;

enum class Where {
  kOwner,       // on the owner threads
  kHereIfIdle,  // the last owner's part on the caller's thread, if that owner has nothing to do
};

// Runs work(shard, i) on owners[i] for each i, then `done`, on the thread that came last and
// with the first error if there was any. Owners that have begun another epoch refuse with Aborted.
// An error of `work` means that the shard's rows are not what they should be: it fails the shard.
// No owners: `done` is called at once.
void FanOut(std::span<OwnerThread* const> owners,
            Epoch epoch,
            absl::AnyInvocable<Status(Shard&, size_t) const> work,
            absl::AnyInvocable<void(Status)> done,
            Where where = Where::kOwner);
// On all of them; i is the thread.
void FanOutToAll(const OwnerThreads& owners,
                 Epoch epoch,
                 absl::AnyInvocable<Status(Shard&, size_t) const> work,
                 absl::AnyInvocable<void(Status)> done);

// The same without an epoch, and waits for the end. Never on an owner thread or a transport's.
Status RunOnAllAndWait(const OwnerThreads& owners, absl::AnyInvocable<Status(Shard&) const> work);

}  // namespace freshet::ps
