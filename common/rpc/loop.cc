#include "common/rpc/loop.h"

#include "absl/synchronization/notification.h"
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
  absl::Notification done;
  Post([&] {
    task();
    done.Notify();
  });
  done.WaitForNotification();
}

}  // namespace freshet::rpc
