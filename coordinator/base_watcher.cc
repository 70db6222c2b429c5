#include "coordinator/base_watcher.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "coordinator/intact_versions.h"
#include "coordinator/log.h"

namespace freshet::coordinator {

BaseWatcher::BaseWatcher(const Context& context, std::function<void()> on_found)
    : context_(context),
      log_(context.env.files, context.options.calibration->log_dir),
      on_found_(std::move(on_found)),
      thread_([this] { Run(); }) {}

BaseWatcher::~BaseWatcher() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

std::optional<FoundBase> BaseWatcher::Newest(const proto::BaseIntake& taken) const {
  const std::lock_guard lock(mutex_);
  if (!found_.has_value() || IsSameBase(taken, IntakeOf(*found_))) {
    return std::nullopt;
  }
  return found_;
}

void BaseWatcher::Refuse(const FoundBase& base) {
  const std::lock_guard lock(mutex_);
  refused_.push_back(IntakeOf(base));
  found_.reset();
}

void BaseWatcher::Run() {
  const std::chrono::milliseconds every(context_.options.calibration->every_ms);
  while (true) {
    Look();
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, every, [this] { return stopping_; });
    if (stopping_) {
      return;
    }
  }
}

// With the mutex held.
bool BaseWatcher::IsNews(const FoundBase& base) const {
  const proto::BaseIntake which = IntakeOf(base);
  return !(found_.has_value() && IsSameBase(IntakeOf(*found_), which)) &&
         std::none_of(refused_.begin(), refused_.end(), [&which](const proto::BaseIntake& refused) {
           return IsSameBase(refused, which);
         });
}

void BaseWatcher::Look() {
  StatusOr<std::optional<FoundBase>> base = NewestBase();
  const std::string problem = base.ok() ? "" : MessageOf(base.status());
  {
    const std::lock_guard lock(mutex_);
    if (problem != std::exchange(problem_, problem) && !problem.empty()) {
      Log().warn("cannot look for a base log_dir={} error=\"{}\"", log_.directory(), problem);
    }
    if (!base.ok() || !base->has_value() || !IsNews(**base)) {
      return;
    }
  }
  FoundBase found = **std::move(base);
  const VersionId version(found.manifest.version());
  const Status intact = IntactVersions(log_).Check(version);
  if (!intact.ok()) {
    context_.events.Record("base_refused", version.value(), MessageOf(intact));
    Log().error("refused a base version={} of={} error=\"{}\"",
                version.value(),
                found.log_dir,
                MessageOf(intact));
    Refuse(found);
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    found_ = std::move(found);
  }
  on_found_();
}

// Nothing: the log has none, or is not there yet.
StatusOr<std::optional<FoundBase>> BaseWatcher::NewestBase() const {
  if (absl::IsNotFound(context_.env.files.Stat(log_.directory()).status())) {
    return std::nullopt;
  }
  FRESHET_ASSIGN_OR_RETURN(const std::vector<VersionId> versions, log_.List());
  for (auto version = versions.rbegin(); version != versions.rend(); ++version) {
    FRESHET_ASSIGN_OR_RETURN(proto::Manifest manifest, log_.ReadManifest(*version));
    if (manifest.kind() == proto::Manifest::BASE && manifest.published()) {
      return FoundBase{.log_dir = log_.directory(), .manifest = std::move(manifest)};
    }
  }
  return std::nullopt;
}

}  // namespace freshet::coordinator
