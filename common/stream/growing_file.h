#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/stream/block_sums.h"
#include "common/stream/decompressed_file.h"
#include "common/stream/stream.h"

namespace freshet {

// One file of a FileStream, read forwards from a byte offset on through a buffer, as it grows. What
// lies between two records is for others to know (LineReader, MessageReader).
//
//   buffer_   [ consumed | pending: read, but not consumed | free ]
//                        ^begin_                           ^end_
//   file      offset_ is where begin_ stands in the file, so offset_ + (end_ - begin_) is where the
//             next read goes on
//
// Of a compressed file (.gz, .zst) all offsets are those of its content. The buffer grows no
// further than a chunk above the longest pending bytes that a reader lets stand.
// One thread at a time.
class GrowingFile {
 public:
  // What is to be done when no more bytes came.
  enum class Then {
    kAskLater,  // more may be appended
    kReadOn,    // nothing will be any more; what came just before is still to be read
    kEnded,     // pending() is all there is
  };

  // `success_path` is the file whose presence says that nothing will be appended.
  GrowingFile(FileSystem& files,
              Clock& clock,
              const FileStreamOptions& options,
              std::string path,
              std::string success_path);

  // Opens the file at `offset`; *before gets the byte that lies before it, if there is one.
  // FailedPrecondition: the file is shorter. DataLoss: its checksums are damaged. Called once,
  // before all else.
  Status Open(uint64_t offset, char* before);

  const std::string& path() const { return path_; }

  // Of the first pending byte, in the file.
  uint64_t offset() const { return offset_; }

  // Valid until the next Fill.
  std::string_view pending() const { return {buffer_.data() + begin_, end_ - begin_}; }

  // Unix time at which the last bytes came.
  int64_t filled_at_ms() const { return filled_at_ms_; }

  void Consume(size_t bytes) {
    begin_ += bytes;
    offset_ += bytes;
  }

  // Whether any of these bytes of the file, which were pending, are known to be damaged.
  bool IsDamaged(uint64_t begin, uint64_t end) const {
    return checked_ != nullptr && checked_->IsDamaged(begin, end);
  }

  // Reads behind what is pending; returns how many bytes came.
  StatusOr<size_t> Fill();

  // After a Fill that brought nothing. FailedPrecondition: the file lost bytes that we have read,
  // is another file by now, or is a compressed one that is cut off.
  StatusOr<Then> AtEnd();

  // Whether the file has a byte at `offset`.
  StatusOr<bool> HasByteAt(uint64_t offset) const;

 private:
  Status CheckNotCut() const;
  Status CheckWhole() const;
  StatusOr<bool> NothingWillBeAppended();
  // Whether so many files sort behind this one that it is complete.
  StatusOr<bool> IsSealed();

  FileSystem& files_;
  Clock& clock_;
  const FileStreamOptions options_;
  const std::string path_;
  const std::string success_path_;

  std::unique_ptr<ReadableFile> file_;
  const DecompressedFile* decompressed_ = nullptr;  // file_, if it is compressed
  const CheckedFile* checked_ = nullptr;            // file_, if it has checksums
  uint64_t inode_ = 0;
  std::vector<char> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
  uint64_t offset_ = 0;
  int64_t filled_at_ms_ = 0;
  bool complete_ = false;
  std::chrono::nanoseconds listed_at_ = -std::chrono::hours(1);  // when IsSealed looked last
};

}  // namespace freshet
