#pragma once
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "absl/functional/any_invocable.h"

namespace freshet::ps {

// A thread that runs tasks in the order they were posted, one at a time.
class TaskThread {
 public:
  using Task = absl::AnyInvocable<void()>;

  // `between` is called after each task, and again, as long as no task waits, while it returns
  // true: work in slices that requests may overtake.
  explicit TaskThread(absl::AnyInvocable<bool()> between = nullptr);

  // Lets the task that runs end; those still waiting, and those posted later, are dropped.
  ~TaskThread() { Stop(); }

  // The same, while others may still post. Not from a task, and by one thread.
  void Stop();

  // Thread-safety: any thread.
  void Post(Task task);

  // The same, but if the thread has nothing to do, the caller does the task in its place: that
  // saves waking it, which takes longer than a small task. The task makes no work for `between`,
  // and needs no lock that the caller holds. Thread-safety: any thread.
  void RunOrPost(Task task);

 private:
  void Run();
  // Waits until a task, or work between tasks, may begin. False: the thread must end.
  bool Begin(Task* task);
  // Of whoever has begun. `more`: there is work between tasks.
  void End(bool more);

  // Of whoever is at work.
  absl::AnyInvocable<bool()> between_;

  // Shared, under mutex_.
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> tasks_;
  bool at_work_ = false;       // the thread, or a caller in its place
  bool more_between_ = false;  // the last call of between_ returned true
  bool stop_ = false;

  std::thread thread_;
};

}  // namespace freshet::ps
