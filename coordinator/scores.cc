#include "coordinator/scores.h"

#include <map>
#include <utility>
#include <vector>

#include "common/report/report.h"
#include "coordinator/log.h"

namespace freshet::coordinator {
namespace {

// Those of the log count where both have some: it cannot have lost its last ones.
StatusOr<std::vector<proto::Manifest>> AllScores(const Context& context) {
  FRESHET_ASSIGN_OR_RETURN(auto scores, context.store.Scores());
  FRESHET_ASSIGN_OR_RETURN(const std::vector<VersionId> versions, context.log.List());
  for (const VersionId version : versions) {
    StatusOr<proto::Manifest> manifest = context.log.ReadManifest(version);
    if (manifest.ok()) {
      scores[version] = ScoresOf(*std::move(manifest));
    }
  }
  std::vector<proto::Manifest> all;
  all.reserve(scores.size());
  for (auto& [version, of_version] : scores) {
    all.push_back(std::move(of_version));
  }
  return all;
}

}  // namespace

void KeepScores(const Context& context, const proto::Manifest& manifest) {
  const Status status = context.store.StoreScores(ScoresOf(manifest));
  if (!status.ok()) {
    Log().warn(
        "could not keep scores version={} error=\"{}\"", manifest.version(), status.ToString());
  }
}

void WriteScores(const Context& context) {
  const std::string& folder = context.options.report_dir;
  if (folder.empty()) {
    return;
  }
  const StatusOr<std::vector<proto::Manifest>> versions = AllScores(context);
  if (versions.ok() && versions->empty()) {
    return;
  }
  const Status status =
      versions.ok() ? WriteReport(context.env.files, *versions, folder) : versions.status();
  if (!status.ok()) {
    Log().warn("could not write the report folder={} error=\"{}\"", folder, status.ToString());
    return;
  }
  Log().info("report versions={} folder={}", versions->size(), folder);
}

}  // namespace freshet::coordinator
