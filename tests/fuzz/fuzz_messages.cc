#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "common/check.h"
#include "common/stream/stream.h"
#include "tests/common/stream/memory_files.h"

// An input is the number of bytes at which a file is cut in two (one byte), then the file, of
// length-delimited messages. Whether it comes whole or grows, and from wherever reading goes on, it
// has the same records or the same error; together they are no longer than the file.
namespace freshet {
namespace {

constexpr uint64_t kMaxRecordBytes = 64;

struct Outcome {
  std::vector<std::string> records;
  std::vector<uint64_t> ends;
  Status error;
};

// Appends what there is to read now.
void ReadSome(PartitionReader& reader, Outcome* outcome) {
  Record record;
  while (true) {
    const StatusOr<ReadResult> next = reader.Next(&record);
    if (!next.ok()) {
      outcome->error = next.status();
      return;
    }
    if (*next != ReadResult::kRecord) {
      return;
    }
    outcome->records.emplace_back(record.bytes);
    outcome->ends.push_back(record.end_offset);
  }
}

struct File {
  explicit File(bool follow) {
    FileStreamOptions options{.path = "d", .follow = follow, .max_record_bytes = kMaxRecordBytes};
    options.framing = FileStreamOptions::Framing::kMessages;
    stream = MakeFileStream(files, clock, options);
    files.Append("d/a", "");
  }

  std::unique_ptr<PartitionReader> OpenAt(uint64_t offset) {
    auto reader = stream->Open("a", offset);
    FRESHET_CHECK(reader.ok());
    return *std::move(reader);
  }

  test::MemoryFiles files;
  test::StoppedClock clock;
  std::unique_ptr<Stream> stream;
};

void CheckRecords(const Outcome& outcome, size_t file_bytes) {
  uint64_t begin = 0;
  for (size_t i = 0; i < outcome.records.size(); ++i) {
    FRESHET_CHECK(outcome.ends[i] > begin && outcome.ends[i] <= file_bytes);
    FRESHET_CHECK(outcome.records[i].size() <= kMaxRecordBytes);
    FRESHET_CHECK(outcome.records[i].size() < outcome.ends[i] - begin);
    begin = outcome.ends[i];
  }
  FRESHET_CHECK(outcome.error.ok() ? begin == file_bytes : absl::IsDataLoss(outcome.error));
}

void Check(const std::string& input) {
  if (input.empty()) {
    return;
  }
  const std::string bytes = input.substr(1);
  File whole(false);
  whole.files.Append("d/a", bytes);
  Outcome expected;
  ReadSome(*whole.OpenAt(0), &expected);
  CheckRecords(expected, bytes.size());

  const size_t cut = std::min<size_t>(static_cast<unsigned char>(input[0]), bytes.size());
  File growing(true);
  growing.files.Append("d/a", bytes.substr(0, cut));
  const auto reader = growing.OpenAt(0);
  Outcome grown;
  ReadSome(*reader, &grown);
  growing.files.Append("d/a", bytes.substr(cut));
  growing.files.Append("d/_SUCCESS", "");
  if (grown.error.ok()) {
    ReadSome(*reader, &grown);
  }
  FRESHET_CHECK(grown.records == expected.records && grown.ends == expected.ends);
  FRESHET_CHECK(grown.error == expected.error);

  if (!expected.ends.empty()) {
    const size_t from = cut % expected.ends.size();
    Outcome rest;
    ReadSome(*whole.OpenAt(expected.ends[from]), &rest);
    FRESHET_CHECK(rest.error == expected.error);
    FRESHET_CHECK(std::vector<uint64_t>(expected.ends.begin() + static_cast<ptrdiff_t>(from) + 1,
                                        expected.ends.end()) == rest.ends);
  }
}

}  // namespace
}  // namespace freshet

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  freshet::Check({reinterpret_cast<const char*>(data), size});
  return 0;
}
