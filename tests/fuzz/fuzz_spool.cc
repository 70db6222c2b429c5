#include <cstdint>
#include <string>

#include "common/check.h"
#include "common/stream/stream.h"
#include "tests/common/cluster/temp_folder.h"
#include "tests/common/stream/memory_files.h"
#include "tests/common/version_log/crash_file_system.h"
#include "tests/fuzz/request_input.h"
#include "worker/receive/spool.h"

// An input is what an earlier receiver left in its folder: two segments and what stands beside them
// of where they came from, each behind its length (request_input.h), then the name of another file,
// of at most 40 bytes, and the checksums of the two segments, each behind its length. If a receiver
// can go on from there, what it receives is where it stands afterwards; and whatever there is can
// be read, or is an error that says something.
namespace freshet::worker {
namespace {

constexpr char kReceived[] = "u1,i1,1\nu2,i2,0\n";
constexpr size_t kReceivedBytes = sizeof(kReceived) - 1;

std::string TextOf(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class Folder {
 public:
  Folder() {
    options_.directory = disk_.path();  // on disk lies its lock
    options_.segment_bytes = 1U << 20U;
    FRESHET_CHECK(files_.CreateDirectories(options_.directory).ok());
  }

  void Add(const std::string& name, const std::string& bytes) {
    const std::string path = options_.directory + "/" + name;
    FRESHET_CHECK(files_.OpenWritable(path).ok());
    files_.Bytes(path) = bytes;
  }

  StatusOr<std::unique_ptr<Spool>> Open() { return Spool::Open(files_, clock_, options_); }

  void Read() {
    const auto stream =
        MakeFileStream(files_, clock_, {.path = options_.directory, .block_sums = true});
    for (const char* const name : {"000000000007", "000000000008", "000000000009"}) {
      const auto reader = stream->Open(name, 0);
      Status status = reader.status();
      for (bool more = status.ok(); more;) {
        Record record;
        const auto next = (*reader)->Next(&record);
        FRESHET_CHECK(!record.damaged || record.bytes.empty());
        status = next.status();
        more = next.ok() && *next == ReadResult::kRecord;
      }
      FRESHET_CHECK(status.ok() || !status.message().empty());
    }
  }

 private:
  const TempFolder disk_;
  SpoolOptions options_;
  test::CrashFileSystem files_;
  freshet::test::StoppedClock clock_;
};

void GoOn(Folder& folder) {
  std::optional<LogPosition> stood;
  {
    auto spool = folder.Open();
    if (!spool.ok()) {
      FRESHET_CHECK(absl::IsFailedPrecondition(spool.status()) || absl::IsDataLoss(spool.status()));
      return;
    }
    stood = (*spool)->stood_at();
    (*spool)->Put({.bytes = kReceived, .position = stood, .begins_file = true});
    FRESHET_CHECK((*spool)->Write().ok());
    FRESHET_CHECK((*spool)->Sync().ok());
  }
  const auto again = folder.Open();
  FRESHET_CHECK(again.ok());
  if (stood) {
    FRESHET_CHECK((*again)->stood_at().has_value());
    FRESHET_CHECK((*again)->stood_at()->inode == stood->inode);
    FRESHET_CHECK((*again)->stood_at()->offset == stood->offset + kReceivedBytes);
  }
}

void Run(std::span<const uint8_t> input) {
  Folder folder;
  for (const char* const name :
       {"000000000007", "_000000000007.from", "000000000008", "_000000000008.from"}) {
    if (const std::string bytes = TextOf(fuzz::TakeCounted(input)); !bytes.empty()) {
      folder.Add(name, bytes);
    }
  }
  const std::string name = TextOf(fuzz::Take(input, 40));
  if (!name.empty() && name.find('/') == std::string::npos && name != "." && name != "..") {
    folder.Add(name, "");
  }
  for (const char* const sums : {"_000000000007.sums", "_000000000008.sums"}) {
    if (const std::string bytes = TextOf(fuzz::TakeCounted(input)); !bytes.empty()) {
      folder.Add(sums, bytes);
    }
  }
  folder.Read();
  GoOn(folder);
  folder.Read();
}

}  // namespace
}  // namespace freshet::worker

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  freshet::worker::Run({data, size});
  return 0;
}
