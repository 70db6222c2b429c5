#pragma once
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>

#include "common/model/batch.h"
#include "worker/stream_state.h"

namespace freshet::worker {

// What the reader hands to the trainer.
struct ReadBatch {
  Batch batch;
  StreamState after;
  bool last = false;  // the streams have ended; the batch is empty
};

// Between the reader and the trainer: a queue with a limit. Thread-safety: any thread.
class BatchQueue {
 public:
  explicit BatchQueue(size_t limit) : limit_(limit) {}

  // Waits for room. False: the queue is closed.
  bool Put(ReadBatch batch);
  // Waits for a batch. Nothing once the queue is closed.
  std::optional<ReadBatch> Take();
  // Nothing if there is none now.
  std::optional<ReadBatch> TryTake();

  void Close();
  bool closed() const;
  size_t size() const;

 private:
  std::optional<ReadBatch> TakeFront();

  const size_t limit_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<ReadBatch> batches_;
  bool closed_ = false;
};

}  // namespace freshet::worker
