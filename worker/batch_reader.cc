#include "worker/batch_reader.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "common/mutant.h"
#include "worker/log.h"

namespace freshet::worker {
namespace {

using std::chrono::milliseconds;

// How long to rest when there is nothing to read, and how often to look for new partitions.
constexpr milliseconds kRest{2};
constexpr milliseconds kDiscoverEvery{100};

size_t QueueLimit(const TrainingSettings& training) {
  return std::max<size_t>(2, training.batches_ahead);
}

}  // namespace

BatchReader::BatchReader(Stream& stream,
                         const SampleParser& parser,
                         Clock& clock,
                         WorkerMetrics& metrics,
                         const BatchReaderOptions& options)
    : stream_(stream),
      clock_(clock),
      metrics_(metrics),
      options_(options),
      queue_(QueueLimit(options.training)),
      feed_(parser, clock, metrics, options.training.parse_threads),
      assignment_(options.worker, options.workers) {}

BatchReader::~BatchReader() {
  Join();
}

void BatchReader::Join() {
  Stop();
  if (thread_.joinable()) {
    thread_.join();
  }
  metrics_.queued_batches.Set(0);
}

StatusOr<StreamState> BatchReader::Restore(const std::vector<proto::WorkerState>& states) {
  if (options_.ended) {
    complete_ = true;
    state_ = RestorePositions({}, options_.worker, options_.workers, states);
    return state_;
  }
  // In this order: what is listed after the stream was found complete is all there is.
  FRESHET_ASSIGN_OR_RETURN(complete_, stream_.Complete());
  FRESHET_ASSIGN_OR_RETURN(const std::vector<std::string> names, stream_.Partitions());
  FRESHET_ASSIGN_OR_RETURN(const std::vector<std::string> own, assignment_.Update(names));
  stored_ = StoredPositions(states);
  FRESHET_RETURN_IF_ERROR(CheckListed(names));
  state_ = RestorePositions(own, options_.worker, options_.workers, states);
  discovered_at_ = clock_.Monotonic();
  // Here, so that no position gets into a version from which nobody can read on.
  FRESHET_RETURN_IF_ERROR(BeginPass());
  return state_;
}

// A partition that was trained in part should be there. If not, its position is kept in the
// versions, and it goes on from there when it is back; but no stream is complete without it.
Status BatchReader::CheckListed(const std::vector<std::string>& names) const {
  for (const auto& [name, position] : stored_) {
    if (position.finished || std::binary_search(names.begin(), names.end(), name)) {
      continue;
    }
    if (complete_) {
      return FailedPrecondition(
          "partition {} was trained up to byte {}, and its file is gone from a stream that is "
          "complete: bring it back",
          name,
          position.offset);
    }
    Log().warn(
        "partition not there, its position is kept name={} offset={}", name, position.offset);
  }
  return absl::OkStatus();
}

void BatchReader::Start(std::function<void(const Status&)> on_error) {
  thread_ = std::thread([this, on_error = std::move(on_error)] {
    if (const Status status = Run(); !status.ok()) {
      on_error(status);
    }
  });
}

std::optional<ReadBatch> BatchReader::Take() {
  std::optional<ReadBatch> batch = queue_.Take();
  metrics_.queued_batches.Set(static_cast<double>(queue_.size()));
  return batch;
}

void BatchReader::Stop() {
  queue_.Close();
  feed_.Stop();
}

Status BatchReader::Run() {
  feed_.Start();
  while (!queue_.closed()) {
    FRESHET_ASSIGN_OR_RETURN(const Round round, RunRound());
    FRESHET_RETURN_IF_ERROR(Discover());
    if (complete_ && AllEnded()) {
      for (size_t i = 0; i < sources_.size(); ++i) {
        if (sources_[i] != nullptr) {
          state_.partitions[i] = sources_[i]->state();
        }
      }
      if (!options_.ended && pass_ + 1 < options_.training.passes) {
        ++pass_;
        FRESHET_RETURN_IF_ERROR(BeginPass());
        continue;
      }
      queue_.Put(ReadBatch{.batch = {}, .after = state_, .last = true});
      return absl::OkStatus();
    }
    if (round == Round::kIdle) {
      clock_.SleepFor(kRest);
    }
  }
  return absl::OkStatus();
}

// One turn of each partition, from the next one on to the last.
StatusOr<BatchReader::Round> BatchReader::RunRound() {
  Round round = Round::kIdle;
  for (size_t i = state_.next; i < sources_.size() && !queue_.closed(); ++i) {
    state_.next = static_cast<uint32_t>((i + 1) % sources_.size());
    if (sources_[i] == nullptr) {
      continue;
    }
    FRESHET_ASSIGN_OR_RETURN(const bool emitted, RunTurn(i));
    if (emitted) {
      round = Round::kProgress;
    }
  }
  return round;
}

// True if a batch went out.
StatusOr<bool> BatchReader::RunTurn(size_t index) {
  PartitionSource& source = *sources_[index];
  const TrainingSettings& training = options_.training;
  if (training.consistency == Consistency::kBsp) {
    FRESHET_RETURN_IF_ERROR(FillWhole(source));
    return Emit(index);
  }
  FRESHET_ASSIGN_OR_RETURN(const PartitionSource::State state, source.Fill(training.batch_size));
  const bool must_wait = state == PartitionSource::State::kWaiting && source.size() > 0 &&
                         source.Age() < milliseconds(training.max_batch_wait_ms);
  return !must_wait && Emit(index);
}

Status BatchReader::FillWhole(PartitionSource& source) {
  while (!queue_.closed()) {
    FRESHET_ASSIGN_OR_RETURN(const PartitionSource::State state,
                             source.Fill(options_.training.batch_size));
    if (state != PartitionSource::State::kWaiting) {
      break;
    }
    clock_.SleepFor(kRest);
  }
  return absl::OkStatus();
}

// False if there is nothing to put out, or nobody who takes it.
bool BatchReader::Emit(size_t index) {
  PartitionSource& source = *sources_[index];
  if (source.size() == 0 || queue_.closed()) {
    return false;
  }
  state_.partitions[index] = source.state();
  if (Mutant("worker_position_runs_ahead")) {
    for (size_t i = 0; i < sources_.size(); ++i) {
      if (sources_[i] != nullptr) {
        state_.partitions[i] = sources_[i]->state();
      }
    }
  }
  Batch batch = source.Take();
  if (options_.on_batch) {
    options_.on_batch(batch);
  }
  return queue_.Put(ReadBatch{.batch = std::move(batch), .after = state_});
}

// All that has ended in an earlier pass begins anew; but before the first one, passes go on where
// the earliest partition stands.
Status BatchReader::BeginPass() {
  uint32_t earliest = std::numeric_limits<uint32_t>::max();
  for (const PartitionState& partition : state_.partitions) {
    earliest = std::min(earliest, partition.pass);
  }
  if (sources_.empty() && !state_.partitions.empty()) {
    pass_ = earliest;
  }
  for (PartitionState& partition : state_.partitions) {
    if (partition.pass < pass_) {
      partition.pass = pass_;
      partition.offset = 0;
      partition.finished = false;
    }
  }
  sources_.clear();
  return Open(0);
}

Status BatchReader::Open(size_t first) {
  for (size_t i = first; i < state_.names->size(); ++i) {
    if (state_.partitions[i].pass > pass_) {
      sources_.push_back(nullptr);
      continue;
    }
    FRESHET_ASSIGN_OR_RETURN(std::unique_ptr<PartitionSource> source,
                             PartitionSource::Open(stream_,
                                                   feed_,
                                                   clock_,
                                                   metrics_,
                                                   (*state_.names)[i],
                                                   state_.partitions[i],
                                                   options_.rules));
    sources_.push_back(std::move(source));
  }
  return absl::OkStatus();
}

Status BatchReader::Discover() {
  const bool due = clock_.Monotonic() - discovered_at_ >= kDiscoverEvery;
  if (complete_ || queue_.closed() || !due) {
    return absl::OkStatus();
  }
  discovered_at_ = clock_.Monotonic();
  FRESHET_ASSIGN_OR_RETURN(complete_, stream_.Complete());
  FRESHET_ASSIGN_OR_RETURN(const std::vector<std::string> names, stream_.Partitions());
  FRESHET_ASSIGN_OR_RETURN(const std::vector<std::string> added, assignment_.Update(names));
  if (added.empty()) {
    return absl::OkStatus();
  }
  const size_t first = state_.names->size();
  std::vector<std::string> all = *state_.names;
  all.insert(all.end(), added.begin(), added.end());
  state_.names = std::make_shared<const std::vector<std::string>>(std::move(all));
  for (const std::string& name : added) {
    const auto known = stored_.find(name);  // a file that was not there when the session began
    state_.partitions.push_back(known == stored_.end() ? PartitionState{} : known->second);
  }
  Log().info("took in new partitions count={} first={}", added.size(), added.front());
  return Open(first);
}

bool BatchReader::AllEnded() const {
  return std::all_of(sources_.begin(), sources_.end(), [](const auto& source) {
    return source == nullptr || source->ended();
  });
}

}  // namespace freshet::worker
