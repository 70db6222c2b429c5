#include "common/version_log/version_path.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace freshet {

// The larger of the two steps to its parent, until they are one. Only versions in between are read.
StatusOr<std::optional<std::vector<proto::Manifest>>> DeltasBetween(const VersionLog& log,
                                                                    VersionId from,
                                                                    VersionId to) {
  std::vector<proto::Manifest> of_from;
  std::vector<proto::Manifest> of_to;
  while (from != to) {
    const bool steps_from = from > to;
    VersionId& version = steps_from ? from : to;
    StatusOr<proto::Manifest> manifest = log.ReadManifest(version);
    if (absl::IsNotFound(manifest.status())) {
      return std::nullopt;
    }
    FRESHET_RETURN_IF_ERROR(manifest.status());
    if (manifest->kind() == proto::Manifest::BASE) {
      return std::nullopt;
    }
    version = VersionId(manifest->parent());
    if (manifest->kind() == proto::Manifest::DELTA) {
      manifest->clear_workers();  // large, and of no use here
      (steps_from ? of_from : of_to).push_back(*std::move(manifest));
    }
  }
  if (from.value() == 0) {
    return std::nullopt;
  }
  std::vector<proto::Manifest> between(std::make_move_iterator(of_from.rbegin()),
                                       std::make_move_iterator(of_from.rend()));
  std::move(of_to.rbegin(), of_to.rend(), std::back_inserter(between));
  return between;
}

}  // namespace freshet
