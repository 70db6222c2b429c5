#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/env/clock.h"
#include "common/env/file_system.h"
#include "common/status.h"

// Sample streams: partitions of records, each record at an offset that can be sought.
namespace freshet {

struct Record {
  std::string_view bytes;   // without line end or length; valid until the next call of Next
  uint64_t end_offset = 0;  // where the next record begins
  int64_t arrival_ms = 0;   // Unix time at which the reader saw it
  bool damaged = false;  // it lies in a block that does not have its checksum; then bytes is empty
};

enum class ReadResult {
  kRecord,
  kNothingYet,  // ask again later
  kEnd,         // no record will ever follow
};

// One thread at a time.
class PartitionReader {
 public:
  virtual ~PartitionReader() = default;

  // Never waits. Fills *record with kRecord. An error is final.
  virtual StatusOr<ReadResult> Next(Record* record) = 0;
};

// Thread-safety: any thread.
class Stream {
 public:
  virtual ~Stream() = default;

  // Names, sorted. May grow while the stream lives, until Complete() is true; so whoever wants all
  // of them asks for Complete() first.
  virtual StatusOr<std::vector<std::string>> Partitions() = 0;
  // No further partition will appear.
  virtual StatusOr<bool> Complete() = 0;
  // From `offset` on. FailedPrecondition if the partition is shorter than that, or no record begins
  // there.
  virtual StatusOr<std::unique_ptr<PartitionReader>> Open(const std::string& partition,
                                                          uint64_t offset) = 0;
};

// A file of this name says that nothing will be appended to a stream, and no file added.
inline constexpr const char* kStreamCompleteName = "_SUCCESS";

struct FileStreamOptions {
  // What tells one record from the next.
  enum class Framing {
    kLines,     // ended by LF or CRLF
    kMessages,  // each behind its length, a varint (common/stream/message_reader.h)
  };

  std::string path{};    // a file, or a directory whose files are the partitions
  std::string suffix{};  // of a directory's files, as in ".csv"; empty: all
  // Keep reading what is appended until a file named _SUCCESS stands in the directory (beside the
  // file); without it the stream ends where the files end.
  bool follow = false;
  // Of a directory that is followed: files are written in the order of their names, this many at a
  // time, so that one is complete once as many sort behind it. 0: any may still grow.
  uint32_t open_files = 0;
  bool header = false;                    // the first line of each file is not a sample
  uint64_t max_record_bytes = 1U << 20U;  // a longer one is skipped and given as an empty record
  Framing framing = Framing::kLines;
  // Files that are not compressed may have checksums beside them (common/stream/block_sums.h).
  bool block_sums = false;
};

// Files of lines or messages. A last line without line end is a record only when the stream is
// complete; so is a last message that is cut off, an empty one. Names that begin with "." or "_"
// are no partitions; of the others all must be UTF-8, else InvalidArgument. Files may only grow:
// one that is cut or replaced while it is read is FailedPrecondition. Where blocks
// are damaged, lines that lie in them are empty records, and so are messages that begin before
// them; a message that begins in one is DataLoss: where the next one begins cannot be known.
// `files` and `clock` outlive the stream and its readers, which do not need the stream itself.
std::unique_ptr<Stream> MakeFileStream(FileSystem& files,
                                       Clock& clock,
                                       const FileStreamOptions& options);

}  // namespace freshet
