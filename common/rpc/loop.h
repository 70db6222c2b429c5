#pragma once
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <thread>
#include <utility>

#include "absl/functional/function_ref.h"

namespace freshet::rpc {

// One transport thread and what it runs: tasks, timers, sockets. Whatever belongs to a loop is
// touched on its thread only, and needs no lock. Thread-safety: any thread.
class Loop {
 public:
  Loop();
  // Runs no further task.
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  asio::io_context& context() { return context_; }

  template <typename Task>
  void Post(Task task) {
    asio::post(context_, std::move(task));
  }

  // Runs `task` on the thread, and waits for its end. On the thread itself: runs it at once.
  void RunAndWait(absl::FunctionRef<void()> task);

 private:
  asio::io_context context_;
  asio::executor_work_guard<asio::io_context::executor_type> keep_running_;
  std::thread thread_;
};

}  // namespace freshet::rpc
