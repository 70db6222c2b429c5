#pragma once
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "common/mutex.h"
#include "common/rpc/loop.h"

namespace freshet::rpc {

// From any thread into a loop. Its owner lives on the loop and closes the mailbox when it goes;
// whoever still holds the mailbox then puts into nothing, whatever has become of owner and loop.
template <typename Item>
class Mailbox : public std::enable_shared_from_this<Mailbox<Item>> {
 public:
  // `drain` is called on the loop's thread, some time after each Put, until Close.
  Mailbox(Loop& loop, absl::AnyInvocable<void()> drain) : drain_(std::move(drain)), loop_(&loop) {}

  // Any thread. If the mailbox is closed, the item is dropped.
  void Put(Item item) ABSL_LOCKS_EXCLUDED(mutex_) {
    const MutexLock lock(mutex_);
    if (loop_ == nullptr) {
      return;
    }
    items_.push_back(std::move(item));
    if (!drain_posted_) {
      drain_posted_ = true;
      // Under the lock, because the loop is sure to live as long as the mailbox is open.
      loop_->Post([self = this->shared_from_this()] { self->Drain(); });
    }
  }

  // Loop's thread. What was put since the last time.
  std::vector<Item> TakeAll() ABSL_LOCKS_EXCLUDED(mutex_) {
    const MutexLock lock(mutex_);
    drain_posted_ = false;
    return std::exchange(items_, {});
  }

  // Loop's thread. Drops what was put and not taken.
  void Close() ABSL_LOCKS_EXCLUDED(mutex_) {
    open_ = false;
    std::vector<Item> dropped;  // destroyed outside the lock
    const MutexLock lock(mutex_);
    loop_ = nullptr;
    dropped.swap(items_);
  }

 private:
  void Drain() {
    if (open_) {
      drain_();
    }
  }

  // Loop's thread only.
  absl::AnyInvocable<void()> drain_;
  bool open_ = true;

  Mutex mutex_;
  Loop* loop_ ABSL_GUARDED_BY(mutex_);
  std::vector<Item> items_ ABSL_GUARDED_BY(mutex_);
  bool drain_posted_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace freshet::rpc
