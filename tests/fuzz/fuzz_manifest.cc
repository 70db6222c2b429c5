#include <cstdint>
#include <string>

#include "common/check.h"
#include "common/version_log/checksum.h"
#include "common/version_log/manifest_file.h"

// An input is one byte, the version that is asked for, then text, which is read as a whole
// manifest.json, and as the JSON inside of one with the right checksum. A manifest that is taken
// must come back the same when it is written again.
namespace freshet {
namespace {

void Check(const std::string& content, VersionId version) {
  const auto manifest = ParseManifest("manifest.json", content, version);
  if (!manifest.ok()) {
    FRESHET_CHECK(absl::IsDataLoss(manifest.status()) ||
                  absl::IsFailedPrecondition(manifest.status()));
    return;
  }
  const auto written = SerializeManifest(*manifest);
  FRESHET_CHECK(written.ok());
  FRESHET_CHECK(written.ok());
  const auto again = ParseManifest("manifest.json", *written, version);
  FRESHET_CHECK(again.ok());
  FRESHET_CHECK(again->SerializeAsString() == manifest->SerializeAsString());
}

}  // namespace
}  // namespace freshet

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size >= 1) {
    const freshet::VersionId version(data[0]);
    const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
    freshet::Check(text, version);
    freshet::Check(R"({"xxh3":")" + freshet::Xxh3Hex(text) + R"(","manifest":)" + text + "}\n",
                   version);
  }
  return 0;
}
