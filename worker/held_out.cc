#include "worker/held_out.h"

#include <bit>
#include <memory>
#include <string>
#include <utility>

#include "common/sample/sample_id.h"
#include "worker/log.h"

namespace freshet::worker {
namespace {

// All samples that one worker is dealt, cut into batches as they come.
struct Collector {
  const JobConfig& job;
  const SampleParser& parser;
  const uint32_t worker;
  const uint32_t workers;
  BatchBuilder builder;
  std::vector<Batch> batches = {};
  uint64_t samples = 0;  // of all workers
  uint64_t bad = 0;
  Sample sample = {};

  bool full() const { return samples >= job.evaluation.held_out_max_samples; }

  void Add(const std::string& partition, const Record& record) {
    if (const Status status = parser.Parse(record.bytes, &sample); !status.ok()) {
      if (std::has_single_bit(++bad)) {
        Log().warn("bad held-out sample partition={} before_offset={} bad_so_far={} error=\"{}\"",
                   partition,
                   record.end_offset,
                   bad,
                   MessageOf(status));
      }
      return;
    }
    if (samples++ % workers == worker) {
      builder.Add(sample, SampleId(partition, record.end_offset), record.arrival_ms);
      if (builder.size() == job.training.batch_size) {
        batches.push_back(builder.Take());
      }
    }
  }
};

Status CollectPartition(Stream& stream, const std::string& partition, Collector* collector) {
  FRESHET_ASSIGN_OR_RETURN(const std::unique_ptr<PartitionReader> reader,
                           stream.Open(partition, 0));
  Record record;
  while (!collector->full()) {
    FRESHET_ASSIGN_OR_RETURN(const ReadResult result, reader->Next(&record));
    if (result != ReadResult::kRecord) {
      break;
    }
    collector->Add(partition, record);
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<HeldOut> HeldOut::Load(FileSystem& files,
                                Clock& clock,
                                const JobConfig& job,
                                const SampleParser& parser,
                                const KeyDetails& details,
                                uint32_t worker,
                                uint32_t workers) {
  HeldOut held_out;
  const EvaluationSettings& settings = job.evaluation;
  if (settings.held_out_path.empty()) {
    return held_out;
  }
  FileStreamOptions options = job.stream;
  options.path = settings.held_out_path;
  options.follow = false;
  const std::unique_ptr<Stream> stream = MakeFileStream(files, clock, options);
  FRESHET_ASSIGN_OR_RETURN(const std::vector<std::string> partitions, stream->Partitions());
  Collector collector{.job = job,
                      .parser = parser,
                      .worker = worker,
                      .workers = workers,
                      .builder = BatchBuilder(1, details)};
  for (const std::string& partition : partitions) {
    FRESHET_RETURN_IF_ERROR(CollectPartition(*stream, partition, &collector));
  }
  if (collector.samples == 0) {
    return FailedPrecondition(
        "evaluation.held_out.path {}: there is no sample in it, {} bad records",
        settings.held_out_path,
        collector.bad);
  }
  if (collector.builder.size() > 0) {
    collector.batches.push_back(collector.builder.Take());
  }
  held_out.batches_ = std::move(collector.batches);
  held_out.every_ = settings.held_out_every;
  return held_out;
}

const Batch* HeldOut::Due(uint64_t stream_step) const {
  if (batches_.empty() || stream_step % every_ != 0) {
    return nullptr;
  }
  return &batches_[(stream_step / every_) % batches_.size()];
}

}  // namespace freshet::worker
