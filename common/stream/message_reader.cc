#include "common/stream/message_reader.h"

#include <algorithm>
#include <utility>

namespace freshet {
namespace {

constexpr size_t kMostLengthBytes = 5;  // of a varint below 2^35

// The number of bytes that the length at the front of `bytes` takes; 0: it has not come whole.
// Above kMostLengthBytes: it is none.
size_t ReadLength(std::string_view bytes, uint64_t* length) {
  *length = 0;
  for (size_t i = 0; i < bytes.size() && i < kMostLengthBytes; ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    *length |= static_cast<uint64_t>(byte & 0x7fU) << (7 * i);
    if (byte < 0x80) {
      return i + 1;
    }
  }
  return bytes.size() < kMostLengthBytes ? 0 : kMostLengthBytes + 1;
}

}  // namespace

MessageReader::MessageReader(FileSystem& files,
                             Clock& clock,
                             const FileStreamOptions& options,
                             std::string path,
                             std::string success_path)
    : max_record_bytes_(options.max_record_bytes),
      file_(files, clock, options, std::move(path), std::move(success_path)) {}

Status MessageReader::Open(uint64_t offset) {
  char before = 0;
  return file_.Open(offset, &before);
}

StatusOr<ReadResult> MessageReader::Next(Record* record) {
  while (true) {
    FRESHET_ASSIGN_OR_RETURN(const bool taken, TakeMessage(record));
    if (taken) {
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

StatusOr<bool> MessageReader::TakeMessage(Record* record) {
  if (to_skip_ == 0) {
    const std::string_view pending = file_.pending();
    uint64_t length = 0;
    const size_t length_bytes = ReadLength(pending, &length);
    if (length_bytes == 0) {
      return false;
    }
    const uint64_t begin = file_.offset();
    if (file_.IsDamaged(begin, begin + length_bytes)) {
      return DataLoss(
          "{}: byte {} lies in a block of {} that does not have its checksum, and where the next "
          "message begins cannot be known: restore it, or move {} away, and it is read unchecked",
          file_.path(),
          begin,
          kSumBlockBytes,
          BlockSumsPath(file_.path()));
    }
    if (length_bytes > kMostLengthBytes || length > kMostMessageBytes) {
      return DataLoss(
          "{}: at byte {} must stand the length of a message, a varint of at most {}, and does "
          "not; "
          "the file is damaged, or no stream of length-delimited protobuf",
          file_.path(),
          file_.offset(),
          kMostMessageBytes);
    }
    if (length <= max_record_bytes_) {
      if (pending.size() - length_bytes < length) {
        return false;
      }
      const bool damaged = file_.IsDamaged(begin, begin + length_bytes + length);
      file_.Consume(length_bytes + length);
      GiveOut(damaged ? std::string_view() : pending.substr(length_bytes, length), damaged, record);
      return true;
    }
    file_.Consume(length_bytes);
    to_skip_ = length;
  }
  const size_t skipped = std::min<uint64_t>(to_skip_, file_.pending().size());
  file_.Consume(skipped);
  to_skip_ -= skipped;
  if (to_skip_ > 0) {
    return false;
  }
  GiveOut({}, false, record);
  return true;
}

ReadResult MessageReader::TakeRest(Record* record) {
  const size_t bytes = file_.pending().size();
  if (bytes == 0 && to_skip_ == 0) {
    return ReadResult::kEnd;
  }
  file_.Consume(bytes);
  to_skip_ = 0;
  GiveOut({}, false, record);
  return ReadResult::kRecord;
}

void MessageReader::GiveOut(std::string_view message, bool damaged, Record* record) const {
  *record = {.bytes = message,
             .end_offset = file_.offset(),
             .arrival_ms = file_.filled_at_ms(),
             .damaged = damaged};
}

}  // namespace freshet
