#pragma once
#include <optional>
#include <vector>

#include "common/status.h"
#include "common/version_log/version_log.h"
#include "proto/manifest.pb.h"

// How to get from one version to another without loading all of it: only keys that a delta between
// the two speaks of can have other rows.
namespace freshet {

// The deltas since the last version that both come from, of either line; oldest first, and those of
// `from` before those of `to`. Nothing: a base lies in between or a version on the way has been
// removed, so that any row may differ. Errors are those of reading manifests, but for NotFound.
StatusOr<std::optional<std::vector<proto::Manifest>>> DeltasBetween(const VersionLog& log,
                                                                    VersionId from,
                                                                    VersionId to);

}  // namespace freshet
