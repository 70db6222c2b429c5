#include "common/stream/line_reader.h"

#include <algorithm>
#include <utility>

namespace freshet {

LineReader::LineReader(FileSystem& files,
                       Clock& clock,
                       const FileStreamOptions& options,
                       std::string path,
                       std::string success_path)
    : options_(options), file_(files, clock, options, std::move(path), std::move(success_path)) {}

Status LineReader::Open(uint64_t offset) {
  char before = '\n';
  FRESHET_RETURN_IF_ERROR(file_.Open(offset, &before));
  in_header_ = options_.header && offset == 0;
  if (before == '\n' || file_.IsDamaged(offset - 1, offset)) {
    return absl::OkStatus();
  }
  // The end of the file may lie behind a last line that has no line end.
  FRESHET_ASSIGN_OR_RETURN(const bool goes_on, file_.HasByteAt(offset));
  if (goes_on) {
    return FailedPrecondition(
        "{}: no line begins at byte {}, where training stands; was the file replaced?",
        file_.path(),
        offset);
  }
  return absl::OkStatus();
}

StatusOr<ReadResult> LineReader::Next(Record* record) {
  while (true) {
    if (TakeLine(record)) {
      return ReadResult::kRecord;
    }
    FRESHET_ASSIGN_OR_RETURN(const size_t got, file_.Fill());
    if (got > 0) {
      continue;
    }
    FRESHET_ASSIGN_OR_RETURN(const GrowingFile::Then then, file_.AtEnd());
    if (then == GrowingFile::Then::kEnded) {
      return TakeRest(record);
    }
    if (then == GrowingFile::Then::kAskLater) {
      return ReadResult::kNothingYet;
    }
  }
}

bool LineReader::TakeLine(Record* record) {
  while (true) {
    const std::string_view pending = file_.pending();
    const size_t line_end = pending.find('\n', scanned_);
    if (line_end == std::string_view::npos) {
      scanned_ = pending.size();
      DropOverlongLine();
      return false;
    }
    const bool crlf = line_end > 0 && pending[line_end - 1] == '\r';
    if (GiveOut(line_end + 1, crlf ? 2 : 1, record)) {
      return true;
    }
  }
}

ReadResult LineReader::TakeRest(Record* record) {
  const size_t bytes = file_.pending().size();
  if (bytes == 0 && !skipping_) {
    return ReadResult::kEnd;
  }
  return GiveOut(bytes, 0, record) ? ReadResult::kRecord : ReadResult::kEnd;
}

bool LineReader::GiveOut(size_t bytes, size_t line_end_bytes, Record* record) {
  std::string_view line = file_.pending().substr(0, bytes - line_end_bytes);
  // Also if the line end before may be none.
  const uint64_t begin = file_.offset();
  const bool damaged = file_.IsDamaged(begin - std::min<uint64_t>(begin, 1), begin + bytes);
  if (skipping_ || damaged || line.size() > options_.max_record_bytes) {
    line = {};
  }
  file_.Consume(bytes);
  scanned_ = 0;
  skipping_ = false;
  if (in_header_) {
    in_header_ = false;
    return false;
  }
  *record = {.bytes = line,
             .end_offset = file_.offset(),
             .arrival_ms = file_.filled_at_ms(),
             .damaged = damaged};
  return true;
}

void LineReader::DropOverlongLine() {
  const size_t bytes = file_.pending().size();
  // One byte more may be the first half of a CRLF.
  if (skipping_ || bytes > options_.max_record_bytes + 1) {
    skipping_ = true;
    file_.Consume(bytes);
    scanned_ = 0;
  }
}

}  // namespace freshet
