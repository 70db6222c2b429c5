#pragma once
#include <memory>
#include <string>
#include <vector>

#include "common/stream/decompressed_file.h"
#include "common/stream/stream.h"

namespace freshet {

// One file of a FileStream, read line by line from a byte offset on.
//
//   buffer_   [ given out | pending: read, but not given out | free ]
//                         ^begin_    ^scanned_ (no line end before it)   ^end_
//   file      offset_ is where begin_ stands in the file, so offset_ + (end_ - begin_) is where the
//             next read goes on
//
// Of a compressed file (.gz, .zst) all offsets are those of its content.
//
// The buffer grows no further than one chunk above the longest record. A line that is longer is
// thrown away as it comes (skipping_), and given as an empty record at its end.
class LineReader final : public PartitionReader {
 public:
  // `success_path` is the file whose presence says that nothing will be appended.
  LineReader(FileSystem& files,
             Clock& clock,
             const FileStreamOptions& options,
             std::string path,
             std::string success_path);

  // Opens the file at `offset`, which must be the beginning of a line. FailedPrecondition if it is
  // not, or beyond the end. Called once, before Next.
  Status Open(uint64_t offset);

  StatusOr<ReadResult> Next(Record* record) override;

 private:
  // Takes the next whole line out of the buffer, if there is one. False: more bytes are needed.
  bool TakeLine(Record* record);
  // What stands after the last line end is the last record, if it is anything.
  ReadResult TakeRest(Record* record);
  // Gives out the `bytes` pending bytes, the last `line_end_bytes` of which end the line. False: it
  // was the header.
  bool GiveOut(size_t bytes, size_t line_end_bytes, Record* record);
  void DropOverlongLine();
  // Reads behind end_; returns how many bytes came.
  StatusOr<size_t> Fill();
  // FailedPrecondition if the file lost bytes that we have read, or is another file by now.
  Status CheckNotCut() const;
  StatusOr<bool> NothingWillBeAppended() const;
  Status CheckLineBegins(uint64_t offset) const;
  // FailedPrecondition: a compressed file is cut off.
  Status CheckWhole() const;

  FileSystem& files_;
  Clock& clock_;
  const FileStreamOptions options_;
  const std::string path_;
  const std::string success_path_;

  std::unique_ptr<ReadableFile> file_;
  const DecompressedFile* decompressed_ = nullptr;  // file_, if it is compressed
  uint64_t inode_ = 0;
  std::vector<char> buffer_;
  size_t begin_ = 0;
  size_t scanned_ = 0;
  size_t end_ = 0;
  uint64_t offset_ = 0;
  int64_t filled_at_ms_ = 0;
  bool in_header_ = false;
  bool skipping_ = false;
  bool complete_ = false;
};

}  // namespace freshet
