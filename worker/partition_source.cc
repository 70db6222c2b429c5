#include "worker/partition_source.h"

#include <spdlog/spdlog.h>

#include <bit>
#include <utility>

#include "common/sample/sample_id.h"
#include "worker/log.h"

namespace freshet::worker {

StatusOr<std::unique_ptr<PartitionSource>> PartitionSource::Open(Stream& stream,
                                                                 SampleFeed& feed,
                                                                 Clock& clock,
                                                                 WorkerMetrics& metrics,
                                                                 const std::string& name,
                                                                 const PartitionState& from,
                                                                 const SkipRules& skips,
                                                                 KeyDetails details) {
  std::unique_ptr<PartitionSource> source(
      new PartitionSource(feed, clock, metrics, name, from, skips, details));
  if (!from.finished) {
    FRESHET_ASSIGN_OR_RETURN(std::unique_ptr<PartitionReader> reader,
                             stream.Open(name, from.offset));
    source->number_ = feed.Add(std::move(reader));
  }
  return source;
}

PartitionSource::PartitionSource(SampleFeed& feed,
                                 Clock& clock,
                                 WorkerMetrics& metrics,
                                 std::string name,
                                 const PartitionState& from,
                                 const SkipRules& skips,
                                 KeyDetails details)
    : feed_(feed),
      clock_(clock),
      metrics_(metrics),
      name_(std::move(name)),
      skips_(skips),
      state_(from),
      builder_(1, details) {}

StatusOr<PartitionSource::State> PartitionSource::Fill(size_t batch_size) {
  while (!state_.finished && builder_.size() < batch_size) {
    if (block_ == nullptr && !NextBlock()) {
      return State::kWaiting;
    }
    const auto start = clock_.Monotonic();
    while (taken_ < block_->records.size() && builder_.size() < batch_size) {
      Add(block_->records[taken_], block_->samples[taken_], block_->problems[taken_]);
      ++taken_;
    }
    metrics_.stage_batch.Increment(InSeconds(clock_.Monotonic() - start));
    if (builder_.size() == batch_size) {
      break;
    }
    FRESHET_RETURN_IF_ERROR(block_->error);
    state_.finished = block_->then == ReadResult::kEnd;
    feed_.Return(std::move(block_));
  }
  return builder_.size() < batch_size ? State::kEnded : State::kFull;
}

bool PartitionSource::NextBlock() {
  block_ = feed_.Take(number_);
  taken_ = 0;
  return block_ != nullptr;
}

void PartitionSource::Add(const SampleBlock::RecordAt& record,
                          const Sample& sample,
                          const Status& problem) {
  const uint64_t begin = std::exchange(state_.offset, record.end_offset);
  if (!problem.ok()) {
    ++state_.bad_samples;
    metrics_.bad_samples.Increment();
    if (std::has_single_bit(++bad_here_)) {
      Log().warn("bad sample partition={} offset={} bad_so_far={} error=\"{}\"",
                 name_,
                 begin,
                 bad_here_,
                 MessageOf(problem));
    }
    return;
  }
  if (skips_.Skip(sample)) {
    ++state_.skipped_samples;
    metrics_.skipped_samples.Increment();
    return;
  }
  if (builder_.size() == 0) {
    first_sample_at_ = clock_.Monotonic();
  }
  ++state_.samples;
  builder_.Add(sample, SampleId(name_, record.end_offset), record.arrival_ms);
}

}  // namespace freshet::worker
