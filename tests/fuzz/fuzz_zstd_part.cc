#include <cstdint>
#include <cstring>
#include <string>

#include "common/check.h"
#include "common/version_log/checksum.h"
#include "common/version_log/part_file.h"
#include "common/version_log/zstd_part.h"
#include "tests/common/version_log/contents.h"
#include "tests/common/version_log/crash_file_system.h"

// An input is four bytes, what the manifest says of the rows, the tombstones and the plain bytes
// (two), then the bytes of a compressed part file. Its checksums are made right, so that what
// stands behind them is reached. A part that is taken is the one that stands there plain.
namespace freshet::test {
namespace {

constexpr size_t kHeadBytes = 4;

// As much as can be decoded, at most `bytes`.
std::string Plain(const ReadableFile& file, uint64_t bytes) {
  const ZstdReader reader(file, bytes);
  std::string plain;
  char byte = 0;
  while (plain.size() < bytes) {
    const auto got = reader.ReadAt(plain.size(), std::as_writable_bytes(std::span(&byte, 1)));
    if (!got.ok() || *got == 0) {
      break;
    }
    plain.push_back(byte);
  }
  return plain;
}

std::string HeaderChecksum(const std::string& plain) {
  uint64_t length = 0;
  if (plain.size() < sizeof(length)) {
    return "";
  }
  std::memcpy(&length, plain.data(), sizeof(length));
  return length <= plain.size() - sizeof(length)
             ? Xxh3Hex(std::string_view(plain).substr(0, sizeof(length) + length))
             : "";
}

void AddFile(CrashFileSystem& files, const std::string& path, const std::string& bytes) {
  FRESHET_CHECK(files.OpenWritable(path).ok());
  files.Bytes(path) = bytes;
}

void Check(const uint8_t* head, const std::string& bytes) {
  CrashFileSystem files;
  FRESHET_CHECK(files.CreateDirectories("v").ok());
  AddFile(files, "v/part.zst", bytes);
  proto::PartFile part;
  part.set_name("part.zst");
  part.set_rows(head[0]);
  part.set_tombstones(head[1]);
  part.set_plain_bytes(head[2] | head[3] << 8U);
  part.set_bytes(bytes.size());
  part.set_file_xxh3(Xxh3Hex(bytes));
  const auto file = files.OpenReadable("v/part.zst");
  FRESHET_CHECK(file.ok());
  const std::string plain = Plain(**file, part.plain_bytes());
  part.set_header_xxh3(HeaderChecksum(plain));

  const auto all = ReadPart(files, "v", part, PartColumns::kAll);
  const auto serving = ReadPart(files, "v", part, PartColumns::kServing);
  const auto keys = ReadPart(files, "v", part, PartColumns::kKeys);
  FRESHET_CHECK(VerifyPart(files, "v", part).ok() == all.ok());
  if (!all.ok()) {
    FRESHET_CHECK(absl::IsDataLoss(all.status()) || absl::IsFailedPrecondition(all.status()));
    return;
  }
  FRESHET_CHECK(keys.ok() && serving.ok() && SameContents(*serving, ServingView(*all)));
  AddFile(files, "v/part", plain);
  part.set_name("part");
  part.set_bytes(plain.size());
  part.clear_plain_bytes();
  part.clear_file_xxh3();
  const auto same = ReadPart(files, "v", part, PartColumns::kAll);
  FRESHET_CHECK(same.ok() && SameContents(*same, *all));
}

}  // namespace
}  // namespace freshet::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size >= freshet::test::kHeadBytes) {
    const char* const bytes = reinterpret_cast<const char*>(data) + freshet::test::kHeadBytes;
    freshet::test::Check(data, {bytes, size - freshet::test::kHeadBytes});
  }
  return 0;
}
