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
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  posted_.notify_one();
  thread_.join();
}

void TaskThread::Post(Task task) {
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  posted_.notify_one();
}

TaskThread::Task TaskThread::Next(bool block) {
  std::unique_lock lock(mutex_);
  if (block) {
    posted_.wait(lock, [this] { return stop_ || !tasks_.empty(); });
  }
  if (stop_ || tasks_.empty()) {
    return nullptr;
  }
  Task task = std::move(tasks_.front());
  tasks_.pop_front();
  return task;
}

bool TaskThread::Stopped() const {
  const std::lock_guard lock(mutex_);
  return stop_;
}

void TaskThread::Run() {
  bool more_between = false;
  while (true) {
    Task task = Next(!more_between);
    if (task) {
      task();
    } else if (!more_between || Stopped()) {
      return;
    }
    task = nullptr;
    more_between = between_ && between_();
  }
}

}  // namespace freshet::ps
