#include <cstdint>
#include <string>

#include "common/check.h"
#include "tests/common/version_log/crash_file_system.h"
#include "worker/dead_letters.h"

// An input is the offset that a session begins at (one byte), then the file of the bad records that
// the session before has left. What is kept are whole lines of it, and opening it again keeps the
// same and what was added.
namespace freshet::worker {
namespace {

constexpr char kPath[] = "d/a.jsonl";

std::string Open(test::CrashFileSystem& files, uint64_t offset) {
  const auto letters = DeadLetters::Open(files, "d", "a", offset);
  FRESHET_CHECK(letters.ok());
  return files.Bytes(kPath);
}

void Check(uint64_t offset, const std::string& bytes) {
  test::CrashFileSystem files;
  FRESHET_CHECK(files.CreateDirectories("d").ok());
  FRESHET_CHECK(files.OpenWritable(kPath).ok());
  files.Bytes(kPath) = bytes;
  const std::string kept = Open(files, offset);
  FRESHET_CHECK(kept.size() <= bytes.size() && (kept.empty() || kept.back() == '\n'));
  FRESHET_CHECK(offset > 0 || kept.empty());
  FRESHET_CHECK(Open(files, offset) == kept);
  {
    const auto letters = DeadLetters::Open(files, "d", "a", offset);
    FRESHET_CHECK(letters.ok());
    FRESHET_CHECK((*letters)->Add(offset, "no sample", bytes).ok());
  }
  const std::string added = files.Bytes(kPath);
  FRESHET_CHECK(added.starts_with(kept) && added.size() > kept.size());
  FRESHET_CHECK(Open(files, offset + 1) == added);
  FRESHET_CHECK(Open(files, offset) == kept);
}

}  // namespace
}  // namespace freshet::worker

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size >= 1) {
    freshet::worker::Check(data[0], {reinterpret_cast<const char*>(data) + 1, size - 1});
  }
  return 0;
}
