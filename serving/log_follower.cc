#include "serving/log_follower.h"

#include <spdlog/logger.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "serving/recommendable.h"

namespace freshet::serving {
namespace {

constexpr std::chrono::seconds kRetryAfter(1);

spdlog::logger& Log() {
  static const std::shared_ptr<spdlog::logger> logger = spdlog::default_logger()->clone("follower");
  return *logger;
}

double Seconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

LogFollower::LogFollower(FileSystem& files,
                         const Clock& clock,
                         std::string log_directory,
                         ModelStore& store,
                         ServingMetrics& metrics,
                         std::function<void()> on_served)
    : files_(files),
      clock_(clock),
      log_(files, std::move(log_directory)),
      store_(store),
      metrics_(metrics),
      on_served_(std::move(on_served)),
      problem_("the log has not been looked at yet") {}

LogFollower::~LogFollower() {
  Stop();
}

void LogFollower::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) {
    thread_.join();
  }
}

void LogFollower::Start(std::chrono::milliseconds poll_every, std::function<void()> also) {
  also_ = std::move(also);
  thread_ = std::thread([this, poll_every] { Run(poll_every); });
}

void LogFollower::Run(std::chrono::milliseconds poll_every) {
  while (true) {
    also_();
    Poll();
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, poll_every, [this] { return stopping_ || notified_; });
    notified_ = false;
    if (stopping_) {
      return;
    }
  }
}

void LogFollower::Notify() {
  {
    const std::lock_guard lock(mutex_);
    notified_ = true;
  }
  changed_.notify_all();
}

std::map<VersionId, std::string> LogFollower::refused() const {
  const std::lock_guard lock(mutex_);
  return refused_;
}

uint64_t LogFollower::refused_count() const {
  const std::lock_guard lock(mutex_);
  return refused_count_;
}

std::string LogFollower::problem() const {
  const std::lock_guard lock(mutex_);
  return problem_;
}

void LogFollower::SetProblem(const std::string& problem) {
  {
    const std::lock_guard lock(mutex_);
    if (problem == problem_) {
      return;
    }
    problem_ = problem;
  }
  if (!problem.empty()) {
    Log().warn(
        "cannot serve the newest version served={} problem=\"{}\"", served().value(), problem);
  }
}

bool LogFollower::IsPassing(const Status& status) {
  return absl::IsResourceExhausted(status) || absl::IsUnavailable(status);
}

void LogFollower::Poll() {
  if (retry_at_.has_value() && clock_.Monotonic() < *retry_at_) {
    return;
  }
  retry_at_.reset();
  const Status status = Look();
  manifests_.clear();
  damaged_.clear();
  SetProblem(status.ok() ? "" : MessageOf(status));
  if (!status.ok() && IsPassing(status)) {
    metrics_.log_errors.Increment();
    retry_at_ = clock_.Monotonic() + kRetryAfter;
  }
}

Status LogFollower::Look() {
  const StatusOr<VersionId> newest = log_.Newest();
  if (!newest.ok()) {
    return Unavailable("{}", MessageOf(newest.status()));
  }
  metrics_.newest_version.Set(static_cast<double>(newest->value()));
  if (newest->value() == 0) {
    return NotFound("the log {} has no version yet", log_.directory());
  }
  if (*newest < served()) {
    return FailedPrecondition(
        "version {} is served, but the newest in the log {} is {}: if this is another log, start "
        "serving again",
        served().value(),
        log_.directory(),
        newest->value());
  }
  if (*newest == served()) {
    return absl::OkStatus();
  }
  if (*newest == attempted_) {
    return DataLoss("{}", problem());
  }
  FRESHET_ASSIGN_OR_RETURN(const VersionId passed, NewestPassed(*newest));
  Status status = absl::OkStatus();
  if (passed > served()) {
    status = Advance(passed);
  }
  if (status.ok() && passed != *newest) {
    const StatusOr<proto::Manifest> head = Manifest(*newest);
    const bool catching_up = head.ok() && head->base_intake().catching_up();
    status = FailedPrecondition("{} holds back the versions after {}",
                                catching_up ? "a base that has not caught up" : "the gate",
                                passed.value());
  }
  attempted_ = IsPassing(status) ? VersionId(0) : *newest;
  return status;
}

// The newest version that the gate does not hold back; what is served if there is none. A version
// whose manifest cannot be read is for Advance to refuse.
StatusOr<VersionId> LogFollower::NewestPassed(VersionId newest) {
  const auto held_back = [this](VersionId version) {
    const StatusOr<proto::Manifest> manifest = Manifest(version);
    return manifest.ok() && (manifest->gate().verdict() == proto::GateState::REJECTED ||
                             manifest->base_intake().catching_up());
  };
  if (!held_back(newest)) {
    return newest;
  }
  FRESHET_ASSIGN_OR_RETURN(const std::vector<VersionId> versions, log_.List());
  for (auto version = versions.rbegin(); version != versions.rend(); ++version) {
    if (*version <= served()) {
      break;
    }
    if (*version < newest && !held_back(*version)) {
      return *version;
    }
  }
  return served();
}

Status LogFollower::Advance(VersionId newest) {
  Status status = TryToServe(newest);
  if (status.ok() || IsPassing(status)) {
    return status;
  }
  Refuse(newest, status);
  FRESHET_ASSIGN_OR_RETURN(const std::vector<VersionId> versions, log_.List());
  const std::map<VersionId, std::string> refused_before = refused();
  for (auto version = versions.rbegin(); version != versions.rend(); ++version) {
    if (*version <= served()) {
      break;
    }
    if (*version >= newest || refused_before.contains(*version)) {
      continue;
    }
    Status older = TryToServe(*version);
    if (older.ok()) {
      break;
    }
    if (IsPassing(older)) {
      return older;
    }
    Refuse(*version, older);
  }
  return status;
}

StatusOr<proto::Manifest> LogFollower::Manifest(VersionId version) {
  if (const auto damaged = damaged_.find(version); damaged != damaged_.end()) {
    return damaged->second;
  }
  if (const auto known = manifests_.find(version); known != manifests_.end()) {
    return known->second;
  }
  StatusOr<proto::Manifest> manifest = log_.ReadManifest(version);
  if (!manifest.ok()) {
    if (!IsPassing(manifest.status())) {
      damaged_.emplace(version, manifest.status());
    }
    return manifest.status();
  }
  manifest->clear_workers();  // large, and of no use here
  manifests_.emplace(version, *manifest);
  return manifest;
}

void LogFollower::Served(const proto::Manifest& manifest, std::chrono::nanoseconds began) {
  const Snapshot& snapshot = store_.current();
  const double seconds = Seconds(clock_.Monotonic() - began);
  metrics_.apply_seconds.Observe(seconds);
  if (metrics_.version.Value() != 0.0) {  // how long ago a node was started is no latency
    metrics_.commit_to_served_seconds.Observe(
        static_cast<double>(clock_.UnixMillis() - manifest.created_unix_ms()) / 1000.0);
  }
  metrics_.version.Set(static_cast<double>(snapshot.facts().version.value()));
  metrics_.rows.Set(static_cast<double>(snapshot.weights().rows()));
  metrics_.bytes.Set(static_cast<double>(snapshot.weights().bytes()));
  metrics_.items.Set(static_cast<double>(RecommendableItems(snapshot).value_or(0)));
  Log().info("serving version={} kind={} content={} rows={} seconds={:.4f}",
             snapshot.facts().version.value(),
             proto::Manifest::Kind_Name(manifest.kind()),
             content_.value(),
             snapshot.weights().rows(),
             seconds);
  on_served_();
}

void LogFollower::Refuse(VersionId version, const Status& why) {
  {
    const std::lock_guard lock(mutex_);
    if (!refused_.emplace(version, MessageOf(why)).second) {
      return;
    }
    ++refused_count_;
    if (refused_.size() > kRefusedKept) {
      refused_.erase(refused_.begin());
    }
  }
  metrics_.refused_versions.Increment();
  Log().error("refused version={} served={} reason=\"{}\"",
              version.value(),
              served().value(),
              MessageOf(why));
}

}  // namespace freshet::serving
