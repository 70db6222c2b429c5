#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/env/clock.h"
#include "common/env/file_system.h"
#include "common/job/job_config.h"
#include "common/status.h"
#include "common/stream/stream.h"
#include "worker/metrics.h"
#include "worker/receive/sample_source.h"
#include "worker/receive/spool.h"

namespace freshet::worker {

// Receives samples that cannot be read a second time into the stream's folder, from where workers
// read them like any other stream: what has arrived there is trained exactly once, whoever is
// killed. Worker 0 has one, beside its sessions.
class Receiver {
 public:
  // Of a job with `receive`. A further standard input goes on with a stream that had ended; of the
  // others, who ended the stream has ended it. `files`, `clock` and `metrics` outlive it.
  // Errors as Spool::Open and the sources'.
  static StatusOr<std::unique_ptr<Receiver>> Start(FileSystem& files,
                                                   Clock& clock,
                                                   const JobConfig& job,
                                                   WorkerMetrics& metrics);
  // Waits for what is being written.
  ~Receiver();

  using Done = std::function<void(const Status&)>;
  // Calls `done` once all that is in the stream's folder now survives a crash of the machine, or
  // with why it does not. It is called on the receiver's thread, or at once. Thread-safety: any
  // thread.
  void WhenSynced(Done done);

  // Why nothing is received any more; ok: it is, or has come to its end. Thread-safety: any thread.
  Status status() const;

 private:
  Receiver(Clock& clock,
           WorkerMetrics& metrics,
           std::unique_ptr<Spool> spool,
           std::unique_ptr<SampleSource> source);

  Status Run();
  Status WriteAll();
  void SyncForWaiting();
  void End(const Status& status);

  Clock& clock_;
  WorkerMetrics& metrics_;
  // The thread's own:
  const std::unique_ptr<Spool> spool_;
  const std::unique_ptr<SampleSource> source_;

  std::atomic<bool> stopping_ = false;
  mutable std::mutex mutex_;
  // With the mutex held:
  Status status_;
  bool ended_ = false;  // the thread looks no more at who waits
  std::vector<Done> waiting_;
  std::thread thread_;
};

// `stream`, failing once the receiver has failed, which outlives it.
std::unique_ptr<Stream> MakeReceivedStream(std::unique_ptr<Stream> stream,
                                           const Receiver& receiver);

}  // namespace freshet::worker
