#include "coordinator/control_queue.h"

#include <utility>

#include "common/status.h"

namespace freshet::coordinator {

void ControlQueue::Push(Ask ask) {
  if (const Status refused = TryPush(&ask); !refused.ok()) {
    ask.respond(refused);
    return;
  }
  changed_.notify_one();
}

// Leaves the ask where it is if there is no place for it.
Status ControlQueue::TryPush(Ask* ask) {
  const std::lock_guard lock(mutex_);
  if (closed_) {
    return Unavailable("the coordinator stops");
  }
  if (asks_.size() >= kMaxAsks) {
    return ResourceExhausted("{} requests wait for the coordinator already", asks_.size());
  }
  asks_.push_back(std::move(*ask));
  return absl::OkStatus();
}

void ControlQueue::Wake() {
  {
    const std::lock_guard lock(mutex_);
    news_ = true;
  }
  changed_.notify_one();
}

void ControlQueue::Close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_one();
}

bool ControlQueue::closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

void ControlQueue::Wait(std::chrono::nanoseconds duration) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, duration, [this] { return news_ || closed_ || !asks_.empty(); });
  news_ = false;
}

std::optional<Ask> ControlQueue::Take() {
  const std::lock_guard lock(mutex_);
  if (asks_.empty()) {
    return std::nullopt;
  }
  Ask ask = std::move(asks_.front());
  asks_.pop_front();
  return ask;
}

}  // namespace freshet::coordinator
