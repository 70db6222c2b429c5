#include "worker/receive/receiver.h"

#include <unistd.h>

#include <utility>
#include <vector>

#include "worker/log.h"

namespace freshet::worker {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPatience{50};
constexpr milliseconds kRetryFullDisk{500};

StatusOr<std::unique_ptr<SampleSource>> MakeSource(FileSystem& files,
                                                   Clock& clock,
                                                   const JobConfig& job,
                                                   const Spool& spool) {
  const ReceiveSettings& settings = *job.receive;
  switch (settings.from) {
    case ReceiveSettings::From::kStdin:
      return MakePipeSource(STDIN_FILENO, job.stream.framing, settings.drop_header);
    case ReceiveSettings::From::kZmq:
      return MakeZmqSource(settings, job.stream.framing, job.stream.max_record_bytes);
    case ReceiveSettings::From::kLog:
      return MakeLogSource(files, clock, settings.log, spool.marks(), spool.stood_at_ns());
  }
  return Internal("no such source");
}

class ReceivedStream final : public Stream {
 public:
  ReceivedStream(std::unique_ptr<Stream> stream, const Receiver& receiver)
      : stream_(std::move(stream)), receiver_(receiver) {}

  StatusOr<std::vector<std::string>> Partitions() override { return stream_->Partitions(); }

  StatusOr<bool> Complete() override {
    FRESHET_RETURN_IF_ERROR(receiver_.status());
    return stream_->Complete();
  }

  StatusOr<std::unique_ptr<PartitionReader>> Open(const std::string& partition,
                                                  uint64_t offset) override {
    return stream_->Open(partition, offset);
  }

 private:
  const std::unique_ptr<Stream> stream_;
  const Receiver& receiver_;
};

}  // namespace

StatusOr<std::unique_ptr<Receiver>> Receiver::Start(FileSystem& files,
                                                    Clock& clock,
                                                    const JobConfig& job,
                                                    WorkerMetrics& metrics) {
  const SpoolOptions options{.directory = job.stream.path,
                             .framing = job.stream.framing,
                             .partitions = job.receive->partitions,
                             .segment_bytes = job.receive->segment_bytes,
                             .keep_ms = job.receive->keep_ms};
  FRESHET_ASSIGN_OR_RETURN(std::unique_ptr<Spool> spool, Spool::Open(files, clock, options));
  if (job.receive->from == ReceiveSettings::From::kStdin) {
    FRESHET_RETURN_IF_ERROR(spool->Reopen());
  } else if (spool->complete()) {
    Log().warn("receives nothing: {} holds {}, the stream has ended",
               job.stream.path,
               kStreamCompleteName);
  }
  FRESHET_ASSIGN_OR_RETURN(std::unique_ptr<SampleSource> source,
                           MakeSource(files, clock, job, *spool));
  return std::unique_ptr<Receiver>(
      new Receiver(clock, metrics, std::move(spool), std::move(source)));
}

Receiver::Receiver(Clock& clock,
                   WorkerMetrics& metrics,
                   std::unique_ptr<Spool> spool,
                   std::unique_ptr<SampleSource> source)
    : clock_(clock),
      metrics_(metrics),
      spool_(std::move(spool)),
      source_(std::move(source)),
      thread_([this] { End(Run()); }) {}

Receiver::~Receiver() {
  stopping_ = true;
  thread_.join();
}

Status Receiver::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

void Receiver::WhenSynced(Done done) {
  Status status;
  {
    const std::lock_guard lock(mutex_);
    if (!ended_) {
      waiting_.push_back(std::move(done));
      return;
    }
    status = status_;
  }
  done(status);
}

void Receiver::SyncForWaiting() {
  std::vector<Done> waiting;
  {
    const std::lock_guard lock(mutex_);
    waiting.swap(waiting_);
  }
  if (waiting.empty()) {
    return;
  }
  const Status status = spool_->Sync();
  for (const Done& done : waiting) {
    done(status);
  }
}

void Receiver::End(const Status& status) {
  if (!status.ok()) {
    Log().error("receives no more samples error=\"{}\"", MessageOf(status));
  }
  Status last = spool_->Sync();
  std::vector<Done> waiting;
  {
    const std::lock_guard lock(mutex_);
    status_ = Annotate(status.ok() ? last : status, "receive samples");
    last = status_;
    ended_ = true;
    waiting.swap(waiting_);
  }
  for (const Done& done : waiting) {
    done(last);
  }
}

Status Receiver::Run() {
  while (!stopping_ && !spool_->complete()) {
    FRESHET_ASSIGN_OR_RETURN(Received received, source_->Receive(kPatience));
    const bool ended = received.ended;
    metrics_.received_bytes.Increment(static_cast<double>(received.bytes.size()));
    if (received.gap) {
      metrics_.receive_gaps.Increment();
    }
    spool_->Put(std::move(received));
    FRESHET_RETURN_IF_ERROR(WriteAll());
    FRESHET_RETURN_IF_ERROR(spool_->KeepHouse());
    SyncForWaiting();
    if (ended && !stopping_) {
      Log().info("the standard input has ended");
      return spool_->Complete();
    }
  }
  return absl::OkStatus();
}

// While the disk is full nothing more is received, so that senders wait.
Status Receiver::WriteAll() {
  bool told = false;
  while (true) {
    const Status status = spool_->Write();
    if (!absl::IsResourceExhausted(status) || stopping_) {
      metrics_.receive_blocked.Set(0);
      return absl::IsResourceExhausted(status) ? absl::OkStatus() : status;
    }
    if (!std::exchange(told, true)) {
      Log().error("received samples wait for the disk error=\"{}\"", MessageOf(status));
    }
    metrics_.receive_blocked.Set(1);
    SyncForWaiting();  // a version of what has been received can still be made
    FRESHET_RETURN_IF_ERROR(spool_->DeleteOld());
    clock_.SleepFor(kRetryFullDisk);
  }
}

std::unique_ptr<Stream> MakeReceivedStream(std::unique_ptr<Stream> stream,
                                           const Receiver& receiver) {
  return std::make_unique<ReceivedStream>(std::move(stream), receiver);
}

}  // namespace freshet::worker
