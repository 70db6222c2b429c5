#pragma once
#include <map>

#include "common/env/file_system.h"
#include "common/ids.h"
#include "common/status.h"
#include "common/version_log/version_log.h"

namespace freshet::coordinator {

// What a rewind can get around by going to an older version: a damaged file, or one that is
// missing.
bool IsDamage(const Status& status);

// Tells which versions can be read whole. Remembers what it has read, so that looking through the
// history of a version reads each part file once. One thread.
class IntactVersions {
 public:
  // Both outlive this.
  explicit IntactVersions(const VersionLog& log) : log_(log) {}

  // OK: every file of the version's chain is as it was written. DataLoss: one is not.
  Status Check(VersionId version);

  // The newest intact version in the history of `damaged`: its parent, or the parent's parent, ...
  // A rollback's parent is what it went back to: versions that were rolled back from are not
  // history. NotFound: there is none.
  StatusOr<VersionId> NewestBefore(VersionId damaged);

 private:
  Status CheckParts(const proto::Manifest& manifest);
  StatusOr<VersionId> Before(VersionId version) const;

  const VersionLog& log_;
  std::map<VersionId, Status> parts_;  // of each manifest read so far
};

}  // namespace freshet::coordinator
