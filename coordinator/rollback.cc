#include "coordinator/rollback.h"

#include <vector>

#include "common/crash_point.h"
#include "common/job/job_config.h"
#include "common/mutant.h"
#include "coordinator/base_intake.h"
#include "coordinator/log.h"
#include "coordinator/manifest_builder.h"
#include "coordinator/model_check.h"

namespace freshet::coordinator {
namespace {

// A base that was taken in is not taken in once more because somebody went back to before.
void KeepIntake(const proto::BaseIntake& today, proto::Manifest* manifest) {
  if (today.version() != 0 && !IsSameBase(today, manifest->base_intake())) {
    *manifest->mutable_base_intake() = today;
    manifest->mutable_base_intake()->set_catching_up(false);
    manifest->mutable_base_intake()->clear_until();
  }
}

}  // namespace

Status CheckRollbackTarget(const Context& context, VersionId target) {
  if (target.value() == 0) {
    return InvalidArgument("a rollback needs a version, from 1");
  }
  const auto manifest = context.log.ReadManifest(target);
  if (absl::IsNotFound(manifest.status())) {
    FRESHET_ASSIGN_OR_RETURN(const std::vector<VersionId> all, context.log.List());
    if (all.empty()) {
      return NotFound("version {} is not in the log, which is empty", target.value());
    }
    return NotFound("version {} is not in the log, whose versions go from {} to {}",
                    target.value(),
                    all.front().value(),
                    all.back().value());
  }
  FRESHET_RETURN_IF_ERROR(manifest.status());
  if (manifest->config_xxh3() != ModelHash(context.options.model)) {
    return FailedPrecondition("version {} is of another model: {}",
                              target.value(),
                              ModelDifferences(manifest->model(), context.options.model));
  }
  return context.log.Verify(target);
}

StatusOr<VersionId> NewestBefore(const Context& context, int64_t unix_ms) {
  FRESHET_ASSIGN_OR_RETURN(VersionId next, context.log.Newest());
  int64_t oldest = 0;
  while (next.value() != 0) {
    const auto manifest = context.log.ReadManifest(next);
    if (!manifest.ok()) {
      break;  // older ones were removed, or this one is damaged
    }
    const bool has_event_times = manifest->event_time_watermark_ms() != 0;
    oldest = has_event_times ? manifest->event_time_watermark_ms() : manifest->created_unix_ms();
    if (oldest < unix_ms) {
      return next;
    }
    next = VersionId(manifest->parent());
  }
  return NotFound(
      "no version from before {} ms is left among those that today's was made from; the oldest is "
      "of {} ms",
      unix_ms,
      oldest);
}

StatusOr<proto::Manifest> CommitRollback(const Context& context,
                                         VersionNumbers& numbers,
                                         VersionId target,
                                         Epoch epoch,
                                         const RollbackChanges& changes) {
  FRESHET_ASSIGN_OR_RETURN(proto::Manifest manifest, context.log.ReadManifest(target));
  FRESHET_ASSIGN_OR_RETURN(const VersionId newest, context.log.Newest());
  const StatusOr<proto::Manifest> today = context.log.ReadManifest(newest);
  if (today.ok()) {
    *manifest.mutable_skips() = today->skips();
    KeepIntake(today->base_intake(), &manifest);
  }
  if (changes.forget_skips) {
    manifest.clear_skips();
  }
  for (const proto::SkipRule& rule : changes.skips) {
    *manifest.add_skips() = rule;
  }
  if (changes.keep_positions || Mutant("rollback_leaves_the_stream")) {
    FRESHET_RETURN_IF_ERROR(today.status());
    *manifest.mutable_workers() = today->workers();
    for (proto::WorkerState& worker : *manifest.mutable_workers()) {
      worker.clear_window();
    }
    manifest.set_event_time_watermark_ms(today->event_time_watermark_ms());
    manifest.set_newest_arrival_ms(today->newest_arrival_ms());
  }
  if (manifest.gate().verdict() == proto::GateState::REJECTED) {
    manifest.mutable_gate()->set_verdict(proto::GateState::OVERRIDDEN);
    manifest.mutable_gate()->set_failures_in_row(0);
  }
  if (changes.stop) {
    manifest.mutable_early_stopping()->set_stopped(true);
  }
  FRESHET_ASSIGN_OR_RETURN(const VersionId version, numbers.Next());
  numbers.Use();
  manifest.set_version(version.value());
  manifest.set_parent(target.value());
  manifest.set_kind(proto::Manifest::ROLLBACK);
  manifest.set_epoch(epoch.value());
  manifest.set_created_unix_ms(context.env.clock.UnixMillis());
  manifest.clear_parts();
  manifest.clear_published();
  CrashPoint("before_rollback_manifest");
  FRESHET_RETURN_IF_ERROR(CommitForSure(context.log, manifest));
  CrashPoint("after_rollback_manifest");
  Log().info("rolled back version={} equals={}", version.value(), target.value());
  return manifest;
}

}  // namespace freshet::coordinator
