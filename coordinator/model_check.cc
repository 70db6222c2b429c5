#include "coordinator/model_check.h"

#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <string>
#include <vector>

#include "common/job/job_config.h"

namespace freshet::coordinator {

std::string ModelDifferences(const proto::ModelSpec& before, const proto::ModelSpec& now) {
  std::string differences;
  {
    google::protobuf::util::MessageDifferencer differencer;
    differencer.ReportDifferencesToString(&differences);
    differencer.Compare(before, now);
  }
  // One a line, as in "modified: factors: 8 -> 16".
  while (!differences.empty() && differences.back() == '\n') {
    differences.pop_back();
  }
  for (size_t at = 0; (at = differences.find('\n', at)) != std::string::npos; at += 2) {
    differences.replace(at, 1, "; ");
  }
  return differences;
}

Status CheckModelOfLog(const VersionLog& log, const proto::ModelSpec& model) {
  FRESHET_ASSIGN_OR_RETURN(std::vector<VersionId> versions, log.List());
  for (; !versions.empty(); versions.pop_back()) {
    const auto manifest = log.ReadManifest(versions.back());
    if (absl::IsDataLoss(manifest.status())) {
      continue;  // recovery deals with it
    }
    if (!manifest.ok()) {
      return manifest.status();
    }
    if (manifest->config_xxh3() == ModelHash(model)) {
      return absl::OkStatus();
    }
    return InvalidArgument(
        "the log {} holds another model than the worker config declares; its newest version {} "
        "became: {}. Choose another log_dir to train the new model from the start, or go back to "
        "the old worker config",
        log.directory(),
        manifest->version(),
        ModelDifferences(manifest->model(), model));
  }
  return absl::OkStatus();
}

}  // namespace freshet::coordinator
