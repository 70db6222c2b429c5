#include <cstdint>
#include <string>

#include "common/check.h"
#include "common/cluster/locator.h"
#include "common/http/address.h"
#include "common/rpc/address.h"
#include "tests/common/version_log/crash_file_system.h"

// An input is read as the file in which a process says where it is, as an rpc address and as an
// HTTP address. What is taken comes back the same when it is written again.
namespace freshet {
namespace {

void CheckFile(const std::string& text) {
  test::CrashFileSystem files;
  FRESHET_CHECK(files.CreateDirectories("run").ok());
  FRESHET_CHECK(files.OpenWritable("run/ps-0.address").ok());
  files.Bytes("run/ps-0.address") = text;
  const auto address = ReadProcessAddress(files, "run", "ps-0");
  if (!address.ok()) {
    FRESHET_CHECK(absl::IsDataLoss(address.status()));
    return;
  }
  FRESHET_CHECK(WriteProcessAddress(files, "run", "again", *address).ok());
  const auto again = ReadProcessAddress(files, "run", "again");
  FRESHET_CHECK(again.ok() && again->pid == address->pid);
}

void Check(const std::string& text) {
  CheckFile(text);
  const auto rpc = rpc::ParseHostPort(text);
  if (rpc.ok()) {
    const auto again = rpc::ParseHostPort(rpc::ToString(*rpc));
    FRESHET_CHECK(again.ok() && again->host == rpc->host && again->port == rpc->port);
  } else {
    FRESHET_CHECK(absl::IsInvalidArgument(rpc.status()));
  }
  const auto http = http::SplitAddress(text);
  FRESHET_CHECK(http.ok() ? text.ends_with(":" + http->port)
                          : absl::IsInvalidArgument(http.status()));
}

}  // namespace
}  // namespace freshet

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  freshet::Check({reinterpret_cast<const char*>(data), size});
  return 0;
}
