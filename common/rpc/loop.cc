#include "common/rpc/loop.h"

#include <future>

#include "common/rpc/transport_thread.h"

namespace freshet::rpc {
namespace {

thread_local bool on_transport_thread = false;

}  // namespace

bool OnTransportThread() {
  return on_transport_thread;
}

// The hint lets Asio expect a single thread in run().
Loop::Loop()
    : context_(1), keep_running_(context_.get_executor()), thread_([this] {
        on_transport_thread = true;
        context_.run();
      }) {}

Loop::~Loop() {
  context_.stop();
  thread_.join();
}

void Loop::RunAndWait(absl::FunctionRef<void()> task) {
  if (std::this_thread::get_id() == thread_.get_id()) {
    task();
    return;
  }
  // The thread keeps the promise, since set_value may still be at work when wait returns.
  std::promise<void> promise;
  const std::future<void> done = promise.get_future();
  Post([task, promise = std::move(promise)]() mutable {
    task();
    promise.set_value();
  });
  done.wait();
}

}  // namespace freshet::rpc
