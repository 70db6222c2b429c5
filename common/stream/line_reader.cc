#include "common/stream/line_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace freshet {
namespace {

constexpr size_t kChunkBytes = 256U << 10U;

}  // namespace

LineReader::LineReader(FileSystem& files,
                       Clock& clock,
                       const FileStreamOptions& options,
                       std::string path,
                       std::string success_path)
    : files_(files),
      clock_(clock),
      options_(options),
      path_(std::move(path)),
      success_path_(std::move(success_path)) {}

Status LineReader::Open(uint64_t offset) {
  FRESHET_ASSIGN_OR_RETURN(file_, files_.OpenReadable(path_));
  FRESHET_ASSIGN_OR_RETURN(const FileInfo info, files_.Stat(path_));
  inode_ = info.inode;
  offset_ = offset;
  in_header_ = options_.header && offset == 0;
  if (const Compression compression = CompressionOf(path_); compression != Compression::kNone) {
    auto decompressed = Decompress(std::move(file_), compression, path_);
    decompressed_ = decompressed.get();
    file_ = std::move(decompressed);
    return CheckLineBegins(offset);
  }
  if (info.bytes < offset) {
    return FailedPrecondition("{} has {} bytes, but training stands at byte {}; was it replaced?",
                              path_,
                              info.bytes,
                              offset);
  }
  // The end of the file may lie behind a last line that has no line end.
  return offset < info.bytes ? CheckLineBegins(offset) : absl::OkStatus();
}

Status LineReader::CheckLineBegins(uint64_t offset) const {
  if (offset == 0) {
    return absl::OkStatus();
  }
  char byte = 0;
  const auto into = std::as_writable_bytes(std::span(&byte, 1));
  FRESHET_ASSIGN_OR_RETURN(const size_t before, file_->ReadAt(offset - 1, into));
  if (before == 0) {
    return FailedPrecondition(
        "{} is shorter than byte {}, where training stands; was it replaced?", path_, offset);
  }
  if (byte == '\n') {
    return absl::OkStatus();
  }
  FRESHET_ASSIGN_OR_RETURN(const size_t after, file_->ReadAt(offset, into));
  if (after != 0) {
    return FailedPrecondition(
        "{}: no line begins at byte {}, where training stands; was the file replaced?",
        path_,
        offset);
  }
  return absl::OkStatus();
}

StatusOr<ReadResult> LineReader::Next(Record* record) {
  while (true) {
    if (TakeLine(record)) {
      return ReadResult::kRecord;
    }
    FRESHET_ASSIGN_OR_RETURN(const size_t got, Fill());
    if (got > 0) {
      continue;
    }
    FRESHET_RETURN_IF_ERROR(CheckNotCut());
    if (complete_) {
      FRESHET_RETURN_IF_ERROR(CheckWhole());
      return TakeRest(record);
    }
    // The marker may have been set after our read, and lines appended just before it. So what was
    // read so far is all there is only if nothing comes *after* the marker was seen.
    FRESHET_ASSIGN_OR_RETURN(complete_, NothingWillBeAppended());
    if (!complete_) {
      return ReadResult::kNothingYet;
    }
  }
}

bool LineReader::TakeLine(Record* record) {
  while (true) {
    const char* const line_end = end_ == scanned_
                                     ? nullptr
                                     : static_cast<const char*>(std::memchr(
                                           buffer_.data() + scanned_, '\n', end_ - scanned_));
    if (line_end == nullptr) {
      scanned_ = end_;
      DropOverlongLine();
      return false;
    }
    const char* const line = buffer_.data() + begin_;
    const auto bytes = static_cast<size_t>(line_end - line) + 1;
    const bool crlf = bytes > 1 && line_end[-1] == '\r';
    if (GiveOut(bytes, crlf ? 2 : 1, record)) {
      return true;
    }
  }
}

ReadResult LineReader::TakeRest(Record* record) {
  const size_t bytes = end_ - begin_;
  if (bytes == 0 && !skipping_) {
    return ReadResult::kEnd;
  }
  return GiveOut(bytes, 0, record) ? ReadResult::kRecord : ReadResult::kEnd;
}

bool LineReader::GiveOut(size_t bytes, size_t line_end_bytes, Record* record) {
  std::string_view line(buffer_.data() + begin_, bytes - line_end_bytes);
  if (skipping_ || line.size() > options_.max_record_bytes) {
    line = {};
  }
  begin_ += bytes;
  scanned_ = begin_;
  offset_ += bytes;
  skipping_ = false;
  if (in_header_) {
    in_header_ = false;
    return false;
  }
  *record = {.bytes = line, .end_offset = offset_, .arrival_ms = filled_at_ms_};
  return true;
}

void LineReader::DropOverlongLine() {
  // One byte more may be the first half of a CRLF.
  if (skipping_ || end_ - begin_ > options_.max_record_bytes + 1) {
    skipping_ = true;
    offset_ += end_ - begin_;
    begin_ = scanned_ = end_ = 0;
  }
}

StatusOr<size_t> LineReader::Fill() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    scanned_ -= begin_;
    begin_ = 0;
  }
  if (buffer_.size() < end_ + kChunkBytes) {
    buffer_.resize(end_ + kChunkBytes);
  }
  FRESHET_ASSIGN_OR_RETURN(const size_t got,
                           file_->ReadAt(offset_ + end_,
                                         std::as_writable_bytes(std::span(buffer_.data() + end_,
                                                                          buffer_.size() - end_))));
  end_ += got;
  if (got > 0) {
    filled_at_ms_ = clock_.UnixMillis();
  }
  return got;
}

Status LineReader::CheckNotCut() const {
  const uint64_t position = offset_ + (end_ - begin_);
  FRESHET_ASSIGN_OR_RETURN(const FileInfo info, files_.Stat(path_));
  if (info.inode != inode_) {
    return FailedPrecondition(
        "{} was replaced by another file while it was read; append to it, or add a new file",
        path_);
  }
  if (decompressed_ == nullptr && info.bytes < position) {
    return FailedPrecondition(
        "{} was cut to {} bytes while it was read, and {} had been read; files may only grow",
        path_,
        info.bytes,
        position);
  }
  return absl::OkStatus();
}

Status LineReader::CheckWhole() const {
  if (decompressed_ != nullptr && !decompressed_->AtBoundary()) {
    return FailedPrecondition(
        "{} ends in the middle of its compressed data: it is cut off, or still being written",
        path_);
  }
  return absl::OkStatus();
}

StatusOr<bool> LineReader::NothingWillBeAppended() const {
  if (!options_.follow) {
    return true;
  }
  const auto marker = files_.Stat(success_path_);
  if (!marker.ok() && !absl::IsNotFound(marker.status())) {
    return marker.status();
  }
  return marker.ok();
}

}  // namespace freshet
