#pragma once
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "absl/functional/any_invocable.h"

namespace freshet::ps {

// A thread that runs tasks in the order they were posted.
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

 private:
  void Run();
  // Null: no task waits and `block` is false, or the thread must end.
  Task Next(bool block);
  bool Stopped() const;

  absl::AnyInvocable<bool()> between_;  // the thread's own

  // Shared, under mutex_.
  mutable std::mutex mutex_;
  std::condition_variable posted_;
  std::deque<Task> tasks_;
  bool stop_ = false;

  std::thread thread_;
};

}  // namespace freshet::ps
