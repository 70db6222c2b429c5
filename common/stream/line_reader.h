#pragma once
#include <string>

#include "common/stream/growing_file.h"
#include "common/stream/stream.h"

namespace freshet {

// One file of a FileStream, read line by line from a byte offset on.
//
// A line that is longer than the limit is thrown away as it comes (skipping_), and given as an
// empty record at its end.
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
  // Takes the next whole line out of the file, if there is one. False: more bytes are needed.
  bool TakeLine(Record* record);
  // What stands after the last line end is the last record, if it is anything.
  ReadResult TakeRest(Record* record);
  // Gives out the `bytes` pending bytes, the last `line_end_bytes` of which end the line. False: it
  // was the header.
  bool GiveOut(size_t bytes, size_t line_end_bytes, Record* record);
  void DropOverlongLine();

  const FileStreamOptions options_;
  GrowingFile file_;
  size_t scanned_ = 0;  // of the pending bytes: no line end among them
  bool in_header_ = false;
  bool skipping_ = false;
};

}  // namespace freshet
