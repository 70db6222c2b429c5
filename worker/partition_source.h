#pragma once
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "common/env/clock.h"
#include "common/model/batch_builder.h"
#include "common/sample/sample_format.h"
#include "common/status.h"
#include "common/stream/stream.h"
#include "worker/dead_letters.h"
#include "worker/metrics.h"
#include "worker/sample_block.h"
#include "worker/sample_feed.h"
#include "worker/source_rules.h"
#include "worker/stream_state.h"

namespace freshet::worker {

// Collects the samples of one partition into batches. One thread at a time.
class PartitionSource {
 public:
  enum class State {
    kFull,     // the batch has `batch_size` samples
    kWaiting,  // there is nothing more to read now
    kEnded,    // there never will be
  };

  // Reads `stream` from `from` on, through `feed`. All borrowed things outlive the source.
  static StatusOr<std::unique_ptr<PartitionSource>> Open(Stream& stream,
                                                         SampleFeed& feed,
                                                         Clock& clock,
                                                         WorkerMetrics& metrics,
                                                         const std::string& name,
                                                         const PartitionState& from,
                                                         const SourceRules& rules);
  ~PartitionSource();

  // Takes samples until the batch is full or there is nothing to read. Records that are no sample
  // are counted, logged now and then, kept if the rules say so, and skipped; FailedPrecondition:
  // there are too many of them.
  StatusOr<State> Fill(size_t batch_size);

  bool ended() const { return state_.finished; }

  size_t size() const { return builder_.size(); }

  // How long the first sample has been waiting for its batch. The batch is not empty.
  std::chrono::nanoseconds Age() const { return clock_.Monotonic() - first_sample_at_; }

  Batch Take() { return builder_.Take(); }

  // As of the last record read.
  const PartitionState& state() const { return state_; }

 private:
  PartitionSource(SampleFeed& feed,
                  Clock& clock,
                  WorkerMetrics& metrics,
                  std::string name,
                  const PartitionState& from,
                  const SourceRules& rules,
                  std::unique_ptr<DeadLetters> dead_letters);

  bool NextBlock();
  Status Add(const SampleBlock::RecordAt& record, const Sample& sample, const Status& problem);
  Status AddBad(uint64_t begin, const SampleBlock::RecordAt& record, const Status& problem);
  Status CheckBadShare(const Status& problem) const;

  SampleFeed& feed_;
  std::optional<size_t> number_;        // in the feed; none if the partition had ended before
  std::unique_ptr<SampleBlock> block_;  // that records are taken from
  size_t taken_ = 0;                    // of its records
  Clock& clock_;
  WorkerMetrics& metrics_;
  const std::string name_;
  const SourceRules& rules_;
  const std::unique_ptr<DeadLetters> dead_letters_;  // null: none are kept
  PartitionState state_;
  uint64_t bad_here_ = 0;  // since Open
  bool sought_ = false;    // for a mutant
  BatchBuilder builder_;
  std::chrono::nanoseconds first_sample_at_{0};
};

}  // namespace freshet::worker
