#include "worker/partition_source.h"

#include <spdlog/spdlog.h>

#include <bit>
#include <utility>

#include "common/sample/sample_id.h"
#include "worker/log.h"

namespace freshet::worker {

StatusOr<std::unique_ptr<PartitionSource>> PartitionSource::Open(Stream& stream,
                                                                 const SampleParser& parser,
                                                                 Clock& clock,
                                                                 WorkerMetrics& metrics,
                                                                 const std::string& name,
                                                                 const PartitionState& from,
                                                                 KeyDetails details) {
  std::unique_ptr<PartitionReader> reader;
  if (!from.finished) {
    FRESHET_ASSIGN_OR_RETURN(reader, stream.Open(name, from.offset));
  }
  return std::unique_ptr<PartitionSource>(
      new PartitionSource(std::move(reader), parser, clock, metrics, name, from, details));
}

PartitionSource::PartitionSource(std::unique_ptr<PartitionReader> reader,
                                 const SampleParser& parser,
                                 Clock& clock,
                                 WorkerMetrics& metrics,
                                 std::string name,
                                 const PartitionState& from,
                                 KeyDetails details)
    : reader_(std::move(reader)),
      parser_(parser),
      clock_(clock),
      metrics_(metrics),
      name_(std::move(name)),
      state_(from),
      builder_(1, details) {}

StatusOr<PartitionSource::State> PartitionSource::Fill(size_t batch_size) {
  Record record;
  while (!state_.finished && builder_.size() < batch_size) {
    FRESHET_ASSIGN_OR_RETURN(const ReadResult result, reader_->Next(&record));
    if (result == ReadResult::kNothingYet) {
      return State::kWaiting;
    }
    if (result == ReadResult::kEnd) {
      state_.finished = true;
      reader_.reset();
    } else {
      Add(record);
    }
  }
  return builder_.size() < batch_size ? State::kEnded : State::kFull;
}

void PartitionSource::Add(const Record& record) {
  const uint64_t begin = std::exchange(state_.offset, record.end_offset);
  if (const Status status = parser_.Parse(record.bytes, &sample_); !status.ok()) {
    ++state_.bad_samples;
    metrics_.bad_samples.Increment();
    if (std::has_single_bit(++bad_here_)) {
      Log().warn("bad sample partition={} offset={} bad_so_far={} error=\"{}\"",
                 name_,
                 begin,
                 bad_here_,
                 MessageOf(status));
    }
    return;
  }
  if (builder_.size() == 0) {
    first_sample_at_ = clock_.Monotonic();
  }
  ++state_.samples;
  builder_.Add(sample_, SampleId(name_, record.end_offset), record.arrival_ms);
}

}  // namespace freshet::worker
