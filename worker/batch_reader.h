#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/env/clock.h"
#include "common/job/job_config.h"
#include "common/model/batch_builder.h"
#include "common/sample/sample_format.h"
#include "common/status.h"
#include "common/stream/stream.h"
#include "worker/assignment.h"
#include "worker/bounded_queue.h"
#include "worker/metrics.h"
#include "worker/partition_source.h"
#include "worker/sample_feed.h"
#include "worker/source_rules.h"

namespace freshet::worker {

// What the reader hands to the trainer.
struct ReadBatch {
  Batch batch;
  StreamState after;
  bool last = false;  // the streams have ended; the batch is empty
};

struct BatchReaderOptions {
  uint32_t worker = 0;
  uint32_t workers = 1;
  TrainingSettings training;
  SourceRules rules = {};
  bool ended = false;  // training was stopped for good: no partition is read
  // Told of each batch when it is made, before it waits in the queue. On the reader's thread.
  std::function<void(const Batch&)> on_batch = {};
};

// Turns the worker's partitions of a stream into batches, on a thread of its own, with those of a
// SampleFeed before it. A batch comes
// from one partition; partitions take turns. In bsp batches are a function of the stream and of
// the positions alone: a turn waits until its batch is full or its partition has ended. In asp a
// partition with nothing to read is passed over, and a batch goes out when its first sample has
// waited max_batch_wait_ms.
// Partitions that appear are taken in at the end of a round.
//
// A pass over the stream begins for all partitions of the worker at once, when the pass before has
// ended for all. What a restored state has of later passes, as when another worker was ahead, is
// kept aside until its pass comes.
class BatchReader {
 public:
  // All borrowed things outlive the reader.
  BatchReader(Stream& stream,
              const SampleParser& parser,
              Clock& clock,
              WorkerMetrics& metrics,
              const BatchReaderOptions& options);
  // Joins.
  ~BatchReader();

  // Finds the worker's partitions, and opens each where it goes on. Before Start.
  StatusOr<StreamState> Restore(const std::vector<proto::WorkerState>& states);
  // Begins to read. `on_error` is called at most once, on the reader's thread.
  void Start(std::function<void(const Status&)> on_error);

  // The next batch; the one after the last has `last` set. Nothing once stopped.
  std::optional<ReadBatch> Take();

  // Ends all waits. Thread-safety: any thread.
  void Stop();

  // Stops, and waits for the reader's thread.
  void Join();

 private:
  enum class Round { kProgress, kIdle };

  Status Run();
  StatusOr<Round> RunRound();
  StatusOr<bool> RunTurn(size_t index);
  Status FillWhole(PartitionSource& source);
  Status Open(size_t first);
  Status BeginPass();
  Status Discover();
  Status CheckListed(const std::vector<std::string>& names) const;
  bool AllEnded() const;
  bool Emit(size_t index);

  Stream& stream_;
  Clock& clock_;
  WorkerMetrics& metrics_;
  const BatchReaderOptions options_;
  BoundedQueue<ReadBatch> queue_;
  SampleFeed feed_;

  // The reader's thread, once it runs.
  Assignment assignment_;
  PositionsByName stored_;                                 // of the version restored
  std::vector<std::unique_ptr<PartitionSource>> sources_;  // one per name, null: not in this pass
  StreamState state_;                                      // as of the last batch put out
  uint32_t pass_ = 0;      // that is read now; a partition of a later pass has no source
  bool complete_ = false;  // no partition will appear any more
  std::chrono::nanoseconds discovered_at_{0};

  std::thread thread_;
};

}  // namespace freshet::worker
