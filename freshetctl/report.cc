#include "freshetctl/report.h"

#include <utility>
#include <vector>

#include "common/report/report.h"
#include "freshetctl/log_lookup.h"

namespace freshet::freshetctl {

Outcome ReportOfLog(const Context& context,
                    const std::string& log_directory,
                    const std::string& folder) {
  FileSystem& files = context.env.files;
  FRESHET_RETURN_IF_ERROR(CheckLogDirectory(files, log_directory));
  const VersionLog log(files, log_directory);
  FRESHET_ASSIGN_OR_RETURN(const std::vector<VersionId> all, log.List());
  std::vector<proto::Manifest> versions;
  for (const VersionId version : all) {
    FRESHET_ASSIGN_OR_RETURN(proto::Manifest manifest, log.ReadManifest(version));
    versions.push_back(ScoresOf(std::move(manifest)));
  }
  if (versions.empty()) {
    return NotFound("{} holds no version", log_directory);
  }
  FRESHET_RETURN_IF_ERROR(WriteReport(files, versions, folder));
  context.out << fmt::format("{} versions: {}/versions.csv and charts\n", versions.size(), folder);
  return {};
}

}  // namespace freshet::freshetctl
