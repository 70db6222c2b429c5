#include "coordinator/housekeeper.h"

#include <utility>

#include "common/crash_point.h"
#include "coordinator/log.h"

namespace freshet::coordinator {
namespace {

// Planning reads the name of every version: not at each cut.
constexpr std::chrono::seconds kLookAgain{5};

}  // namespace

Housekeeper::Housekeeper(const Context& context,
                         std::function<void(const StatusOr<RemovedVersions>&)> on_removed)
    : context_(context), on_removed_(std::move(on_removed)), facts_(context.log) {
  thread_ = std::thread([this] { Run(); });
}

Housekeeper::~Housekeeper() {
  Stop();
}

void Housekeeper::Stop() {
  std::vector<Ask> refused;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    refused.swap(asked_);
  }
  changed_.notify_all();
  if (thread_.joinable()) {
    thread_.join();
  }
  for (Ask& ask : refused) {
    ask.done(Unavailable("the coordinator stops"));
  }
}

void Housekeeper::Wake() {
  const std::lock_guard lock(mutex_);
  woken_ = true;  // seen at the next look
}

std::unique_lock<std::mutex> Housekeeper::KeepAll() {
  return std::unique_lock(log_changes_);
}

void Housekeeper::Collect(bool dry_run, Done done) {
  {
    const std::lock_guard lock(mutex_);
    if (!stopping_) {
      asked_.push_back({.dry_run = dry_run, .done = std::move(done)});
      changed_.notify_all();
      return;
    }
  }
  done(Unavailable("the coordinator stops"));
}

void Housekeeper::Run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    changed_.wait_for(lock, kLookAgain, [this] { return stopping_ || !asked_.empty(); });
    if (stopping_) {
      return;
    }
    std::vector<Ask> asked = std::exchange(asked_, {});
    // Who only asks what would go must not make it go.
    const bool woken = asked.empty() && std::exchange(woken_, false);
    lock.unlock();
    Answer(std::move(asked), woken);
    lock.lock();
  }
}

void Housekeeper::Answer(std::vector<Ask> asked, bool woken) {
  bool remove = woken;
  for (Ask& ask : asked) {
    if (ask.dry_run) {
      ask.done(FindRemovable());
    }
    remove = remove || !ask.dry_run;
  }
  if (!remove) {
    return;
  }
  const StatusOr<RemovedVersions> removed = RemoveAll();
  if (!removed.ok()) {
    Log().warn("could not remove old versions error=\"{}\"", removed.status().ToString());
  }
  if (!removed.ok() || !removed->versions.empty()) {
    on_removed_(removed);
  }
  for (Ask& ask : asked) {
    if (!ask.dry_run) {
      ask.done(removed);
    }
  }
}

StatusOr<std::vector<VersionId>> Housekeeper::Plan() {
  FRESHET_RETURN_IF_ERROR(facts_.Refresh());
  FRESHET_ASSIGN_OR_RETURN(const auto pins, context_.log.Pins());
  return Removable(facts_.all(), pins, context_.options.retention, context_.env.clock.UnixMillis());
}

// Plans anew for each version: a rollback may have made an old one current in between. False: there
// is nothing left to remove.
StatusOr<bool> Housekeeper::RetireOne(RemovedVersions* removed) {
  VersionId version;
  {
    const auto keep_others_out = KeepAll();
    FRESHET_ASSIGN_OR_RETURN(const std::vector<VersionId> removable, Plan());
    if (removable.empty()) {
      return false;
    }
    version = removable.front();
    removed->bytes += facts_.all().at(version).bytes;
    CrashPoint("before_retire");
    FRESHET_RETURN_IF_ERROR(context_.log.Retire(version));
    CrashPoint("after_retire");
    FRESHET_ASSIGN_OR_RETURN(const auto pins, context_.log.Pins());
    if (pins.contains(version)) {
      return context_.log.Restore(version).ok();  // pinned at this moment
    }
  }
  removed->versions.push_back(version);
  FRESHET_RETURN_IF_ERROR(context_.log.RemoveFolder(version));
  CrashPoint("after_remove");
  return true;
}

StatusOr<RemovedVersions> Housekeeper::FindRemovable() {
  const auto keep_others_out = KeepAll();
  RemovedVersions removable;
  FRESHET_ASSIGN_OR_RETURN(removable.versions, Plan());
  for (const VersionId version : removable.versions) {
    removable.bytes += facts_.all().at(version).bytes;
  }
  return removable;
}

StatusOr<RemovedVersions> Housekeeper::RemoveAll() {
  RemovedVersions removed;
  for (bool more = true; more;) {
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) {
        break;
      }
    }
    FRESHET_ASSIGN_OR_RETURN(more, RetireOne(&removed));
  }
  if (!removed.versions.empty()) {
    Log().info("removed old versions={} newest={} bytes={}",
               removed.versions.size(),
               removed.versions.front().value(),
               removed.bytes);
  }
  return removed;
}

}  // namespace freshet::coordinator
