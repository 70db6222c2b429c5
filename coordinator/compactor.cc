#include "coordinator/compactor.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <utility>

#include "coordinator/log.h"

namespace freshet::coordinator {
namespace {

// After a failure: a disk that is full needs somebody's time.
constexpr std::chrono::seconds kTryAgain{30};

// Processor and disk go to other threads first, but not for ever: the idle class of the disk might
// never be served, with a file system's lock held. That it is not allowed is no error.
void GiveWay() {
  constexpr int kLowest = 19;
  constexpr int kWhoProcess = 1;
  constexpr int kLowestBestEffort = (2 << 13) | 7;
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kLowest);
  syscall(SYS_ioprio_set, kWhoProcess, 0, kLowestBestEffort);
}

}  // namespace

Compactor::Compactor(const Context& context, CoordinatorMetrics& metrics)
    : context_(context), metrics_(metrics) {
  thread_ = std::thread([this] { Run(); });
}

Compactor::~Compactor() {
  Stop();
}

void Compactor::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) {
    thread_.join();
  }
}

void Compactor::Look(VersionId head, bool due) {
  const std::lock_guard lock(mutex_);
  if (head.value() != 0) {
    asked_ = {.head = head, .due = due};
    changed_.notify_all();
  }
}

Status Compactor::KeepOn() {
  const std::lock_guard lock(mutex_);
  return stopping_ ? Cancelled("the coordinator stops") : absl::OkStatus();
}

void Compactor::Run() {
  GiveWay();
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || asked_.has_value(); });
    if (stopping_) {
      return;
    }
    const Ask ask = *std::exchange(asked_, std::nullopt);
    lock.unlock();
    const bool tried = Try(ask);
    lock.lock();
    if (tried) {
      asked_.reset();  // by somebody who did not know of the new base
    }
  }
}

bool Compactor::Try(const Ask& ask) {
  const auto begin = context_.env.clock.Monotonic();
  if (failed_at_.has_value() && begin - *failed_at_ < kTryAgain) {
    return false;
  }
  failed_at_.reset();
  VersionId version;
  if (may_be_unfinished_) {
    version =
        UnfinishedCompaction(context_.env.files, context_.log, ask.head).value_or(VersionId(0));
    may_be_unfinished_ = version.value() != 0;
  }
  if (version.value() == 0 && ask.due) {
    version = ask.head;
  }
  if (version.value() == 0) {
    return false;
  }
  const StatusOr<Compacted> compacted =
      Compact(context_.env.files, context_.log, version, [this] { return KeepOn(); });
  if (absl::IsCancelled(compacted.status()) || absl::IsFailedPrecondition(compacted.status())) {
    return true;  // to go on another time; or there is nothing to roll up
  }
  metrics_.CountCompaction(compacted.status());
  if (!compacted.ok()) {
    may_be_unfinished_ = true;
    failed_at_ = context_.env.clock.Monotonic();
    Log().warn("could not roll deltas up version={} error=\"{}\"",
               version.value(),
               compacted.status().ToString());
    context_.events.Record("compaction_failed", version.value(), compacted.status().ToString());
    return true;
  }
  newest_base_ = version.value();
  const std::chrono::duration<double> seconds = context_.env.clock.Monotonic() - begin;
  const std::string text = fmt::format("parts={} rows={} bytes={} seconds={:.2f} from_before={}",
                                       compacted->parts,
                                       compacted->rows,
                                       compacted->bytes,
                                       seconds.count(),
                                       compacted->parts_from_before);
  Log().info("compacted version={} {}", version.value(), text);
  context_.events.Record("compacted", version.value(), text);
  return true;
}

}  // namespace freshet::coordinator
