#include "worker/batch_queue.h"

#include <utility>

namespace freshet::worker {

bool BatchQueue::Put(ReadBatch batch) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return closed_ || batches_.size() < limit_; });
  if (closed_) {
    return false;
  }
  batches_.push_back(std::move(batch));
  lock.unlock();
  changed_.notify_all();
  return true;
}

std::optional<ReadBatch> BatchQueue::Take() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return closed_ || !batches_.empty(); });
  return TakeFront();
}

std::optional<ReadBatch> BatchQueue::TryTake() {
  const std::lock_guard lock(mutex_);
  return TakeFront();
}

// With the mutex held.
std::optional<ReadBatch> BatchQueue::TakeFront() {
  if (closed_ || batches_.empty()) {
    return std::nullopt;
  }
  std::optional<ReadBatch> front = std::move(batches_.front());
  batches_.pop_front();
  changed_.notify_all();
  return front;
}

void BatchQueue::Close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
}

bool BatchQueue::closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

size_t BatchQueue::size() const {
  const std::lock_guard lock(mutex_);
  return batches_.size();
}

}  // namespace freshet::worker
