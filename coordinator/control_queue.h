#pragma once
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <variant>

#include "common/buffer.h"
#include "common/rpc/rpc.h"
#include "proto/control.pb.h"

namespace freshet::coordinator {

struct ForgetAsk {
  proto::ForgetRequest request;
  Buffer keys;
};

// What somebody asks of the control thread.
struct Ask {
  std::variant<proto::RollbackRequest,
               proto::CutNowRequest,
               ForgetAsk,
               proto::ShrinkRequest,
               proto::ExplainKeyRequest>
      what;
  rpc::Responder respond;
};

// What wakes the control thread. Thread-safety: any thread; Wait and Take by the control thread.
class ControlQueue {
 public:
  // Refuses when the queue is full, or closed.
  void Push(Ask ask);
  // There is news to look at.
  void Wake();
  // No further asks; those that wait are still taken.
  void Close();
  bool closed() const;

  // Returns at an ask, at news, when closed, or after `duration`.
  void Wait(std::chrono::nanoseconds duration);
  std::optional<Ask> Take();

 private:
  Status TryPush(Ask* ask);

  static constexpr size_t kMaxAsks = 64;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Ask> asks_;  // guarded by mutex_
  bool news_ = false;     // guarded by mutex_
  bool closed_ = false;   // guarded by mutex_
};

}  // namespace freshet::coordinator
