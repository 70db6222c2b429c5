#include <string>

#include "common/check.h"
#include "common/cluster/cluster_config.h"
#include "common/config/config_file.h"
#include "common/job/job_config.h"

// An input is the text of a config file, which is read as both kinds. Either there is a config, or
// errors of which each says where it is.
namespace freshet {
namespace {

void CheckErrors(const Status& status) {
  if (status.ok()) {
    return;
  }
  FRESHET_CHECK(absl::IsInvalidArgument(status));
  FRESHET_CHECK(MessageOf(status).starts_with("/f.yaml:"));
}

void Check(const std::string& text) {
  const auto file = ConfigFile::Parse("/f.yaml", text);
  CheckErrors(file.status());
  if (!file.ok()) {
    return;
  }
  const auto job = ReadJobConfig(**file);
  CheckErrors(job.status());
  if (job.ok()) {
    FRESHET_CHECK(job->model.slots_size() > 0 && !ModelHash(job->model).empty());
  }
  const auto cluster = ConfigFile::Parse("/f.yaml", text);
  CheckErrors(ReadClusterConfig(**cluster).status());
}

}  // namespace
}  // namespace freshet

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  freshet::Check(std::string(reinterpret_cast<const char*>(data), size));
  return 0;
}
