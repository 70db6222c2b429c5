#include "worker/partition_source.h"

#include <spdlog/spdlog.h>

#include <bit>
#include <utility>

#include "common/key.h"
#include "common/mutant.h"
#include "common/sample/sample_id.h"
#include "worker/log.h"

namespace freshet::worker {
namespace {

// A share of fewer records says nothing.
constexpr uint64_t kFewRecords = 1000;

// Decided by the sample alone, so that a replay decides alike.
bool IsKept(uint64_t sample_id, double share) {
  return static_cast<double>(SplitMix64(sample_id)) < share * 0x1p64;
}

}  // namespace

StatusOr<std::unique_ptr<PartitionSource>> PartitionSource::Open(Stream& stream,
                                                                 SampleFeed& feed,
                                                                 Clock& clock,
                                                                 WorkerMetrics& metrics,
                                                                 const std::string& name,
                                                                 const PartitionState& from,
                                                                 const SourceRules& rules) {
  std::unique_ptr<DeadLetters> dead_letters;
  // Later passes would only find the same ones.
  if (!rules.dead_letters.empty() && from.pass == 0) {
    FRESHET_ASSIGN_OR_RETURN(
        dead_letters, DeadLetters::Open(*rules.files, rules.dead_letters, name, from.offset));
  }
  std::unique_ptr<PartitionSource> source(
      new PartitionSource(feed, clock, metrics, name, from, rules, std::move(dead_letters)));
  if (!from.finished) {
    FRESHET_ASSIGN_OR_RETURN(std::unique_ptr<PartitionReader> reader,
                             stream.Open(name, from.offset));
    source->number_ = feed.Add(std::move(reader));
  }
  return source;
}

PartitionSource::~PartitionSource() {
  if (number_ && state_.finished) {
    feed_.Release(*number_);
  }
}

PartitionSource::PartitionSource(SampleFeed& feed,
                                 Clock& clock,
                                 WorkerMetrics& metrics,
                                 std::string name,
                                 const PartitionState& from,
                                 const SourceRules& rules,
                                 std::unique_ptr<DeadLetters> dead_letters)
    : feed_(feed),
      clock_(clock),
      metrics_(metrics),
      name_(std::move(name)),
      rules_(rules),
      dead_letters_(std::move(dead_letters)),
      state_(from),
      builder_(1, rules.details) {}

StatusOr<PartitionSource::State> PartitionSource::Fill(size_t batch_size) {
  while (!state_.finished && builder_.size() < batch_size) {
    if (block_ == nullptr && !NextBlock()) {
      return State::kWaiting;
    }
    const auto start = clock_.Monotonic();
    while (taken_ < block_->records.size() && builder_.size() < batch_size) {
      FRESHET_RETURN_IF_ERROR(
          Add(block_->records[taken_], block_->samples[taken_], block_->problems[taken_]));
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
  block_ = feed_.Take(*number_);
  taken_ = 0;
  return block_ != nullptr;
}

Status PartitionSource::Add(const SampleBlock::RecordAt& record,
                            const Sample& sample,
                            const Status& problem) {
  const uint64_t begin = std::exchange(state_.offset, record.end_offset);
  if (Mutant("worker_skips_after_a_seek") && begin > 0 && !std::exchange(sought_, true)) {
    return absl::OkStatus();
  }
  if (!problem.ok()) {
    return AddBad(begin, record, problem);
  }
  if (rules_.skips.Skip(sample)) {
    ++state_.skipped_samples;
    metrics_.skipped_samples.Increment();
    return absl::OkStatus();
  }
  const uint64_t id = SampleId(name_, record.end_offset);
  if (rules_.negative_sampling < 1.0 && sample.label <= 0.0F &&
      !IsKept(id, rules_.negative_sampling)) {
    metrics_.sampled_out.Increment();
    return absl::OkStatus();
  }
  if (builder_.size() == 0) {
    first_sample_at_ = clock_.Monotonic();
  }
  ++state_.samples;
  builder_.Add(sample, id, record.arrival_ms);
  return absl::OkStatus();
}

Status PartitionSource::AddBad(uint64_t begin,
                               const SampleBlock::RecordAt& record,
                               const Status& problem) {
  ++state_.bad_samples;
  metrics_.bad_samples.Increment();
  if (std::has_single_bit(++bad_here_)) {
    Log().warn("bad sample partition={} offset={} bad_so_far={} error=\"{}\"",
               name_,
               begin,
               bad_here_,
               MessageOf(problem));
  }
  if (dead_letters_ != nullptr) {
    FRESHET_RETURN_IF_ERROR(dead_letters_->Add(begin, MessageOf(problem), block_->BytesOf(record)));
  }
  return CheckBadShare(problem);
}

Status PartitionSource::CheckBadShare(const Status& problem) const {
  const uint64_t records = state_.samples + state_.skipped_samples + state_.bad_samples;
  if (records < kFewRecords || static_cast<double>(state_.bad_samples) <=
                                   rules_.max_bad_share * static_cast<double>(records)) {
    return absl::OkStatus();
  }
  return FailedPrecondition(
      "partition {}: {} of {} records are no samples, at most a share of {} is allowed "
      "(training.max_bad_share); the last one, before byte {}: {}",
      name_,
      state_.bad_samples,
      records,
      rules_.max_bad_share,
      state_.offset,
      MessageOf(problem));
}

}  // namespace freshet::worker
