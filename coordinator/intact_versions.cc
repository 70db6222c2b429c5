#include "coordinator/intact_versions.h"

#include <vector>

#include "coordinator/log.h"

namespace freshet::coordinator {

bool IsDamage(const Status& status) {
  return absl::IsDataLoss(status) || absl::IsNotFound(status);
}

Status IntactVersions::Check(VersionId version) {
  FRESHET_ASSIGN_OR_RETURN(const std::vector<proto::Manifest> chain, log_.Chain(version));
  for (const proto::Manifest& manifest : chain) {
    const Status status = CheckParts(manifest);
    if (IsDamage(status)) {
      return DataLoss("version {}: {}", manifest.version(), MessageOf(status));
    }
    FRESHET_RETURN_IF_ERROR(status);
  }
  return absl::OkStatus();
}

Status IntactVersions::CheckParts(const proto::Manifest& manifest) {
  const VersionId version(manifest.version());
  if (const auto known = parts_.find(version); known != parts_.end()) {
    return known->second;
  }
  return parts_[version] = log_.VerifyParts(manifest);
}

StatusOr<VersionId> IntactVersions::Before(VersionId version) const {
  const auto manifest = log_.ReadManifest(version);
  if (manifest.ok()) {
    return VersionId(manifest->parent());
  }
  // Nobody can tell its parent any more: the next smaller number is the best guess.
  FRESHET_ASSIGN_OR_RETURN(const std::vector<VersionId> all, log_.List());
  VersionId before;
  for (const VersionId other : all) {
    if (other < version) {
      before = other;
    }
  }
  return before;
}

StatusOr<VersionId> IntactVersions::NewestBefore(VersionId damaged) {
  FRESHET_ASSIGN_OR_RETURN(VersionId candidate, Before(damaged));
  while (candidate.value() != 0) {
    const Status status = Check(candidate);
    if (status.ok()) {
      return candidate;
    }
    if (!IsDamage(status)) {
      return status;
    }
    Log().warn("passed over version={} error=\"{}\"", candidate.value(), MessageOf(status));
    FRESHET_ASSIGN_OR_RETURN(candidate, Before(candidate));
  }
  return NotFound(
      "no version before {} can be read whole: bring its files in {} back from a copy, or train "
      "anew with another log_dir",
      damaged.value(),
      log_.directory());
}

}  // namespace freshet::coordinator
