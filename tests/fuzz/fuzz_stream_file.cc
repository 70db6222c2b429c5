#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "common/check.h"
#include "common/stream/stream.h"
#include "tests/common/stream/memory_files.h"

// An input is the kind of a file (one byte: plain, gzip or zstd; of lines or messages; with or
// without a header), the number of bytes at which it is cut in two (two bytes), then the file of a
// stream. Whether it comes whole or grows, it has the same records, up to damage; and what was read
// up to some record is followed by the rest. tests/fuzz/fuzz_messages.cc has more of plain
// messages.
namespace freshet {
namespace {

constexpr uint64_t kMaxRecordBytes = 64;
constexpr size_t kHeadBytes = 3;
// Of what a small file can be decompressed to, which is not in proportion to it.
constexpr size_t kMaxRecords = 5000;

struct Outcome {
  std::vector<std::string> records;
  std::vector<uint64_t> ends;
  Status error;
};

void ReadSome(PartitionReader& reader, Outcome* outcome) {
  Record record;
  while (outcome->error.ok() && outcome->records.size() < kMaxRecords) {
    const StatusOr<ReadResult> next = reader.Next(&record);
    if (!next.ok()) {
      outcome->error = next.status();
      FRESHET_CHECK(!next.status().message().empty());
      return;
    }
    if (*next != ReadResult::kRecord) {
      return;
    }
    FRESHET_CHECK(record.bytes.size() <= kMaxRecordBytes);
    FRESHET_CHECK(record.end_offset > (outcome->ends.empty() ? 0 : outcome->ends.back()));
    outcome->records.emplace_back(record.bytes);
    outcome->ends.push_back(record.end_offset);
  }
}

class File {
 public:
  File(uint8_t kind, bool follow) : name_(std::string("a") + Suffix(kind)) {
    FileStreamOptions options{.path = "d", .follow = follow, .max_record_bytes = kMaxRecordBytes};
    options.header = kind / 3 % 2 == 1;
    options.framing = kind / 6 % 2 == 1 ? FileStreamOptions::Framing::kMessages
                                        : FileStreamOptions::Framing::kLines;
    stream_ = MakeFileStream(files_, clock_, options);
    Append("");
  }

  void Append(const std::string& bytes) { files_.Append("d/" + name_, bytes); }

  void Complete() { files_.Append(std::string("d/") + kStreamCompleteName, ""); }

  StatusOr<std::unique_ptr<PartitionReader>> OpenAt(uint64_t offset) {
    return stream_->Open(name_, offset);
  }

 private:
  static const char* Suffix(uint8_t kind) {
    constexpr const char* kSuffixes[] = {"", ".gz", ".zst"};
    return kSuffixes[kind % 3];
  }

  const std::string name_;
  test::MemoryFiles files_;
  test::StoppedClock clock_;
  std::unique_ptr<Stream> stream_;
};

void Check(uint8_t kind, size_t cut, const std::string& bytes) {
  File whole(kind, false);
  whole.Append(bytes);
  Outcome expected;
  if (auto reader = whole.OpenAt(0); reader.ok()) {
    ReadSome(**reader, &expected);
  } else {
    expected.error = reader.status();
  }

  cut = std::min(cut, bytes.size());
  File growing(kind, true);
  growing.Append(bytes.substr(0, cut));
  Outcome grown;
  if (auto reader = growing.OpenAt(0); reader.ok()) {
    ReadSome(**reader, &grown);
    growing.Append(bytes.substr(cut));
    growing.Complete();
    ReadSome(**reader, &grown);
  } else {
    grown.error = reader.status();
  }
  if (std::max(grown.records.size(), expected.records.size()) >= kMaxRecords) {
    return;  // one may not have come to the damage that the other has seen
  }
  FRESHET_CHECK(grown.error.ok() == expected.error.ok());
  // What stands before damage may be given out or not, as much as was decoded with it.
  const size_t both = std::min(grown.records.size(), expected.records.size());
  FRESHET_CHECK(!expected.error.ok() || grown.records.size() == expected.records.size());
  FRESHET_CHECK(std::equal(grown.records.begin(),
                           grown.records.begin() + static_cast<ptrdiff_t>(both),
                           expected.records.begin()));
  FRESHET_CHECK(std::equal(grown.ends.begin(),
                           grown.ends.begin() + static_cast<ptrdiff_t>(both),
                           expected.ends.begin()));

  if (!expected.ends.empty()) {
    const size_t from = cut % expected.ends.size();
    Outcome rest;
    auto reader = whole.OpenAt(expected.ends[from]);
    FRESHET_CHECK(reader.ok());
    ReadSome(**reader, &rest);
    const size_t count = std::min(rest.ends.size(), expected.ends.size() - from - 1);
    FRESHET_CHECK(rest.ends.size() >= expected.ends.size() - from - 1);
    FRESHET_CHECK(std::equal(rest.ends.begin(),
                             rest.ends.begin() + static_cast<ptrdiff_t>(count),
                             expected.ends.begin() + static_cast<ptrdiff_t>(from) + 1));
  }
}

}  // namespace
}  // namespace freshet

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size >= freshet::kHeadBytes) {
    freshet::Check(
        data[0],
        data[1] | data[2] << 8U,
        {reinterpret_cast<const char*>(data) + freshet::kHeadBytes, size - freshet::kHeadBytes});
  }
  return 0;
}
