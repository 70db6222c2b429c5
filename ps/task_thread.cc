#include "ps/task_thread.h"

#include <utility>

namespace freshet::ps {

TaskThread::TaskThread(absl::AnyInvocable<bool()> between)
    : between_(std::move(between)), thread_([this] { Run(); }) {}

void TaskThread::Stop() {
  if (!thread_.joinable()) {
    return;
  }
  {
    std::unique_lock lock(mutex_);
    stop_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !at_work_; });
  }
  thread_.join();
}

void TaskThread::Post(Task task) {
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  changed_.notify_one();
}

void TaskThread::RunOrPost(Task task) {
  {
    const std::lock_guard lock(mutex_);
    if (stop_) {
      return;
    }
    if (at_work_ || more_between_ || !tasks_.empty()) {
      tasks_.push_back(std::move(task));
      return;  // whoever is at work, or was woken, looks for more
    }
    at_work_ = true;
  }
  task();
  task = nullptr;
  End(false);
}

bool TaskThread::Begin(Task* task) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !at_work_ && (stop_ || more_between_ || !tasks_.empty()); });
  if (stop_) {
    return false;
  }
  if (!tasks_.empty()) {
    *task = std::move(tasks_.front());
    tasks_.pop_front();
  }
  at_work_ = true;
  return true;
}

void TaskThread::End(bool more) {
  {
    const std::lock_guard lock(mutex_);
    at_work_ = false;
    more_between_ = more;
    if (!stop_ && !more && tasks_.empty()) {
      return;  // nobody waits
    }
  }
  changed_.notify_all();
}

void TaskThread::Run() {
  Task task;
  while (Begin(&task)) {
    if (task) {
      task();
      task = nullptr;
    }
    End(between_ && between_());
  }
}

}  // namespace freshet::ps
