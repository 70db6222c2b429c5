#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include "common/check.h"
#include "common/version_log/checksum.h"
#include "common/version_log/part_file.h"
#include "tests/common/version_log/contents.h"
#include "tests/common/version_log/crash_file_system.h"

// An input is two bytes, the rows and tombstones of the manifest, then the bytes of a part file.
// Its header's checksum is made right, so that what stands behind it is reached. A part that is
// taken must come back the same when it is written again, and serving must get the same of it.
namespace freshet::test {
namespace {

std::string HeaderChecksum(const std::string& bytes) {
  uint64_t length = 0;
  if (bytes.size() < sizeof(length)) {
    return "";
  }
  std::memcpy(&length, bytes.data(), sizeof(length));
  return length <= bytes.size() - sizeof(length)
             ? Xxh3Hex(std::string_view(bytes).substr(0, sizeof(length) + length))
             : "";
}

void Check(const std::string& bytes, uint64_t rows, uint64_t tombstones) {
  CrashFileSystem files;
  FRESHET_CHECK(files.CreateDirectories("v").ok());
  FRESHET_CHECK(files.OpenWritable("v/part").ok());
  files.Bytes("v/part") = bytes;
  proto::PartFile part;
  part.set_name("part");
  part.set_bytes(bytes.size());
  part.set_rows(rows);
  part.set_tombstones(tombstones);
  part.set_header_xxh3(HeaderChecksum(bytes));
  const auto serving = ReadPart(files, "v", part, PartColumns::kServing);
  const auto all = ReadPart(files, "v", part, PartColumns::kAll);
  if (!all.ok()) {
    FRESHET_CHECK(absl::IsDataLoss(all.status()) || absl::IsFailedPrecondition(all.status()));
    return;
  }
  FRESHET_CHECK(serving.ok() && SameContents(*serving, ServingView(*all)));
  const auto written = WritePart(files, "v", "again", *all);
  FRESHET_CHECK(written.ok());
  FRESHET_CHECK(written->rows() == rows && written->tombstones() == tombstones);
  const auto again = ReadPart(files, "v", *written, PartColumns::kAll);
  FRESHET_CHECK(again.ok() && SameContents(*again, *all));
}

}  // namespace
}  // namespace freshet::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size >= 2) {
    freshet::test::Check({reinterpret_cast<const char*>(data) + 2, size - 2}, data[0], data[1]);
  }
  return 0;
}
