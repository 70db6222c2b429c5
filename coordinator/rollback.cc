#include "coordinator/rollback.h"

#include <vector>

#include "common/crash_point.h"
#include "common/job/job_config.h"
#include "coordinator/log.h"
#include "coordinator/manifest_builder.h"
#include "coordinator/model_check.h"

namespace freshet::coordinator {

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

StatusOr<proto::Manifest> CommitRollback(const Context& context,
                                         VersionNumbers& numbers,
                                         VersionId target,
                                         Epoch epoch) {
  FRESHET_ASSIGN_OR_RETURN(proto::Manifest manifest, context.log.ReadManifest(target));
  FRESHET_ASSIGN_OR_RETURN(const VersionId version, numbers.Next());
  numbers.Use();
  manifest.set_version(version.value());
  manifest.set_parent(target.value());
  manifest.set_kind(proto::Manifest::ROLLBACK);
  manifest.set_epoch(epoch.value());
  manifest.set_created_unix_ms(context.env.clock.UnixMillis());
  manifest.clear_parts();
  CrashPoint("before_rollback_manifest");
  FRESHET_RETURN_IF_ERROR(CommitForSure(context.log, manifest));
  CrashPoint("after_rollback_manifest");
  Log().info("rolled back version={} equals={}", version.value(), target.value());
  return manifest;
}

}  // namespace freshet::coordinator
