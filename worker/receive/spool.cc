#include "worker/receive/spool.h"

#include <xxhash.h>

#include <algorithm>
#include <charconv>
#include <span>
#include <utility>

#include "common/job/receive_settings.h"
#include "worker/log.h"

namespace freshet::worker {
namespace {

constexpr std::chrono::milliseconds kSyncEvery{100};
constexpr std::chrono::minutes kDeleteEvery{1};
constexpr size_t kDigits = 12;
constexpr uint64_t kMaxNumber = 999'999'999'999;
constexpr uint64_t kLookBackBytes = 64U << 10U;
// The checksums of a segment are written anew when they have grown by this share, so that all of
// that stays in proportion to what is received; and not more often than this.
constexpr size_t kSumsAtOnce = 16;
constexpr std::chrono::seconds kSumsEvery{1};
// The segments that a process may have had open when it was killed.
constexpr size_t kMostOpen = ReceiveSettings::kMostPartitions;

// 0: the name is not that of a segment.
uint64_t NumberOf(std::string_view name) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  const bool is_one =
      error == std::errc() && end == name.data() + name.size() && name.size() == kDigits;
  return is_one ? number : 0;
}

// "inode offset checksum", of what stands before the checksum.
std::string OriginText(const LogPosition& position) {
  const std::string numbers = fmt::format("{} {} ", position.inode, position.offset);
  return fmt::format("{}{:016x}\n", numbers, XXH3_64bits(numbers.data(), numbers.size()));
}

// What was written before there were checksums counts as well.
std::string OriginTextWithoutChecksum(const LogPosition& position) {
  return fmt::format("{} {}\n", position.inode, position.offset);
}

StatusOr<LogPosition> ParseOrigin(const std::string& path, const std::string& text) {
  LogPosition position;
  const char* const end = text.data() + text.size();
  const auto inode = std::from_chars(text.data(), end, position.inode);
  if (inode.ec == std::errc() && inode.ptr != end) {
    std::from_chars(inode.ptr + 1, end, position.offset);
  }
  // Only what would be written for it: so nothing in the file can be another.
  if (text != OriginText(position) && text != OriginTextWithoutChecksum(position)) {
    return DataLoss(
        "{} is damaged: inode, offset and checksum do not fit. Write \"INODE OFFSET\" and a line "
        "end into it: the inode (ls -i) of the log that was received, and the byte in it at which "
        "the segment beside this file begins; or move it away, and that segment is received again",
        path);
  }
  return position;
}

// The bytes of the file up to its last line end. What stands behind that was being written when a
// process was killed.
StatusOr<uint64_t> WholeLines(const ReadableFile& file, uint64_t bytes) {
  std::string block;
  for (uint64_t end = bytes; end > 0;) {
    const uint64_t begin = end - std::min<uint64_t>(end, kLookBackBytes);
    block.resize(end - begin);
    FRESHET_RETURN_IF_ERROR(file.ReadAt(begin, std::as_writable_bytes(std::span(block))).status());
    if (const size_t at = block.rfind('\n'); at != std::string::npos) {
      return begin + at + 1;
    }
    end = begin;
  }
  return 0;
}

}  // namespace

StatusOr<std::unique_ptr<Spool>> Spool::Open(FileSystem& files,
                                             Clock& clock,
                                             const SpoolOptions& options) {
  FRESHET_RETURN_IF_ERROR(CreateDirectoriesDurably(files, options.directory));
  std::unique_ptr<Spool> spool(new Spool(files, clock, options));
  auto lock = LockFile::Acquire(options.directory + "/.receiver.lock");
  if (absl::IsAlreadyExists(lock.status())) {
    return FailedPrecondition("another process receives samples into {}", options.directory);
  }
  FRESHET_RETURN_IF_ERROR(lock.status());
  spool->lock_ = *std::move(lock);
  FRESHET_RETURN_IF_ERROR(spool->Find());
  return spool;
}

Status Spool::Reopen() {
  complete_ = false;
  return files_.RemoveAll(options_.directory + "/" + kStreamCompleteName);
}

Status Spool::Find() {
  FRESHET_ASSIGN_OR_RETURN(const std::vector<std::string> names, files_.List(options_.directory));
  std::vector<uint64_t> numbers;
  std::vector<uint64_t> with_origin;
  for (const std::string& name : names) {
    if (name == kStreamCompleteName) {
      complete_ = true;
    } else if (name[0] == '_' && name.ends_with(".from")) {
      if (const uint64_t number = NumberOf(name.substr(1, name.size() - 1 - 5)); number > 0) {
        with_origin.push_back(number);
      }
    } else if (name[0] != '.' && name[0] != '_') {
      if (NumberOf(name) == 0) {
        return FailedPrecondition(
            "{} holds {}, which was not received: stream.path must be a folder of its own",
            options_.directory,
            name);
      }
      numbers.push_back(NumberOf(name));
    }
  }
  const uint64_t newest = numbers.empty() ? 0 : numbers.back();
  next_number_ = std::max(newest, with_origin.empty() ? 0 : with_origin.back()) + 1;
  if (next_number_ + options_.partitions > kMaxNumber) {
    return FailedPrecondition("{} holds segment {}, and there are no larger numbers",
                              options_.directory,
                              next_number_ - 1);
  }
  // Who was killed may not have synced the last of what others will go by from now on.
  for (const uint64_t number : std::span(numbers).last(std::min(numbers.size(), kMostOpen))) {
    FRESHET_RETURN_IF_ERROR(files_.SyncFile(PathOf(number)));
  }
  // The newest alone: an older program leaves all of them without checksums, to be read whole.
  const size_t open = std::min<size_t>(options_.partitions, numbers.size());
  for (const uint64_t number : std::span(numbers).last(open)) {
    FRESHET_RETURN_IF_ERROR(SumRest(number));
  }
  if (newest > 0) {
    FRESHET_ASSIGN_OR_RETURN(const FileInfo info, files_.Stat(PathOf(newest)));
    stood_at_ns_ = info.modified_ns;
  }
  return FindMarks(with_origin);
}

// Of a segment that was open when its process was killed; of others there is nothing to do.
Status Spool::SumRest(uint64_t number) {
  const std::string path = PathOf(number);
  FRESHET_ASSIGN_OR_RETURN(SummedBlocks known, ReadBlockSums(files_, path));
  FRESHET_ASSIGN_OR_RETURN(const FileInfo info, files_.Stat(path));
  if (info.bytes == known.bytes) {
    return absl::OkStatus();
  }
  if (info.bytes < known.bytes) {
    Log().warn("received samples were cut path={} bytes={} were={}", path, info.bytes, known.bytes);
    FRESHET_RETURN_IF_ERROR(files_.RemoveAll(BlockSumsPath(path)));
  }
  known.sums.resize(std::min(info.bytes, known.bytes) / kSumBlockBytes);
  uint64_t at = known.sums.size() * kSumBlockBytes;
  FRESHET_ASSIGN_OR_RETURN(const auto file, files_.OpenReadable(path));
  Segment segment{
      .path = path, .file = nullptr, .bytes = info.bytes, .sums = BlockSums(std::move(known.sums))};
  std::string block(kSumBlockBytes, '\0');
  for (size_t got = 1; got > 0; at += got) {
    FRESHET_ASSIGN_OR_RETURN(got, file->ReadAt(at, std::as_writable_bytes(std::span(block))));
    segment.sums.Append(std::string_view(block).substr(0, got));
  }
  return WriteSums(segment, true);
}

Status Spool::FindMarks(const std::vector<uint64_t>& with_origin) {
  for (auto number = with_origin.rbegin(); number != with_origin.rend(); ++number) {
    const StatusOr<LogPosition> origin = OriginOf(*number);
    if (absl::IsDataLoss(origin.status()) && !marks_.empty()) {
      continue;
    }
    FRESHET_RETURN_IF_ERROR(origin.status());
    const auto later = std::find_if(marks_.begin(), marks_.end(), [&](const LogMark& other) {
      return other.position.inode == origin->inode;
    });
    if (later == marks_.end() && marks_.size() == LogMark::kMostRemembered) {
      break;
    }
    if (later != marks_.end() && !later->before.empty()) {
      continue;
    }
    FRESHET_ASSIGN_OR_RETURN(LogMark mark, MarkOf(*number, *origin));
    if (later == marks_.end()) {
      marks_.push_back(std::move(mark));
    } else if (later->position == mark.position) {
      later->before = mark.before;
    }
  }
  std::reverse(marks_.begin(), marks_.end());
  return absl::OkStatus();
}

StatusOr<LogPosition> Spool::OriginOf(uint64_t number) {
  const std::string path = OriginPathOf(number);
  FRESHET_ASSIGN_OR_RETURN(const std::string text, ReadFile(files_, path));
  return ParseOrigin(path, text);
}

// How far the file was received from which the segment is, whose first byte stood at `origin`.
StatusOr<LogMark> Spool::MarkOf(uint64_t number, const LogPosition& origin) {
  LogMark mark{.position = origin, .before = {}};
  const auto segment = files_.OpenReadable(PathOf(number));
  if (absl::IsNotFound(segment.status())) {
    return mark;
  }
  FRESHET_RETURN_IF_ERROR(segment.status());
  FRESHET_ASSIGN_OR_RETURN(const FileInfo info, files_.Stat(PathOf(number)));
  FRESHET_ASSIGN_OR_RETURN(const uint64_t whole, WholeLines(**segment, info.bytes));
  mark.position.offset += whole;
  mark.before.resize(std::min<uint64_t>(whole, LogMark::kMostBytes));
  FRESHET_RETURN_IF_ERROR(
      (*segment)
          ->ReadAt(whole - mark.before.size(), std::as_writable_bytes(std::span(mark.before)))
          .status());
  return mark;
}

void Spool::Put(Received received) {
  if (received.begins_file) {
    ends_ = RecordEnds(options_.framing);
  }
  pending_ = std::move(received);
  split_ = ends_.Last(pending_.bytes);
}

Status Spool::Write() {
  if (pending_.bytes.empty()) {
    return absl::OkStatus();
  }
  if (pending_.begins_file) {
    FRESHET_RETURN_IF_ERROR(EndSegments());
    pending_.begins_file = false;
  }
  const bool full = !segments_.empty() && written_ >= options_.segment_bytes;
  if (full && split_) {
    FRESHET_RETURN_IF_ERROR(WriteUpTo(*split_));
    FRESHET_RETURN_IF_ERROR(EndSegments());
  }
  split_.reset();
  if (!pending_.bytes.empty()) {
    if (segments_.empty()) {
      FRESHET_RETURN_IF_ERROR(OpenSegments());
    }
    FRESHET_RETURN_IF_ERROR(WriteUpTo(pending_.bytes.size()));
  }
  turn_ = segments_.empty() ? 0 : (turn_ + 1) % segments_.size();
  return absl::OkStatus();
}

// All of them before anything is written: the first of them ends those before.
Status Spool::OpenSegments() {
  std::vector<Segment> opened;
  for (uint32_t i = 0; i < options_.partitions; ++i) {
    const uint64_t number = next_number_ + i;
    if (pending_.position) {
      FRESHET_RETURN_IF_ERROR(
          WriteFileAtomically(files_, OriginPathOf(number), OriginText(*pending_.position)));
    }
    Segment segment{.path = PathOf(number), .file = nullptr};
    // Somebody may have removed segments without them.
    FRESHET_RETURN_IF_ERROR(files_.RemoveAll(BlockSumsPath(segment.path)));
    FRESHET_ASSIGN_OR_RETURN(segment.file, files_.OpenWritable(segment.path));
    opened.push_back(std::move(segment));
  }
  FRESHET_RETURN_IF_ERROR(files_.SyncDirectory(options_.directory));
  next_number_ += options_.partitions;
  segments_ = std::move(opened);
  turn_ = 0;
  written_ = 0;
  return absl::OkStatus();
}

Status Spool::EndSegments() {
  FRESHET_RETURN_IF_ERROR(Sync());
  for (Segment& segment : segments_) {
    FRESHET_RETURN_IF_ERROR(WriteSums(segment, true));
  }
  segments_.clear();
  return absl::OkStatus();
}

// The segment is synced: after a crash of the machine there may be too few checksums, never too
// many. For want of room there are fewer, too.
Status Spool::WriteSums(Segment& segment, bool ended) {
  if (segment.bytes == 0 || (segment.sums.blocks() == segment.summed && !ended)) {
    return absl::OkStatus();
  }
  segment.summed = segment.sums.blocks();
  const Status status =
      WriteFileAtomically(files_, BlockSumsPath(segment.path), segment.sums.Text(ended));
  if (absl::IsResourceExhausted(status)) {
    Log().warn("no room for checksums of received samples path={}", segment.path);
    return absl::OkStatus();
  }
  return status;
}

// Takes what was written off the front of pending_, also if it was not all.
Status Spool::WriteUpTo(size_t end) {
  Segment& segment = segments_[turn_];
  Status status = segment.file->Append(std::as_bytes(std::span(pending_.bytes.data(), end)));
  size_t done = end;
  if (!status.ok()) {
    FRESHET_ASSIGN_OR_RETURN(const FileInfo info, files_.Stat(segment.path));
    done = std::min<size_t>(end, info.bytes - std::min(info.bytes, segment.bytes));
  }
  segment.bytes += done;
  segment.sums.Append(std::string_view(pending_.bytes).substr(0, done));
  segment.synced = segment.synced && done == 0;
  written_ += done;
  pending_.bytes.erase(0, done);
  if (pending_.position) {
    pending_.position->offset += done;
  }
  if (split_) {
    split_ = *split_ > done ? std::optional<size_t>(*split_ - done) : std::nullopt;
  }
  return status;
}

Status Spool::KeepHouse() {
  const auto now = clock_.Monotonic();
  if (now - synced_at_ >= kSyncEvery) {
    synced_at_ = now;
    FRESHET_RETURN_IF_ERROR(Sync());
    if (now - summed_at_ >= kSumsEvery) {
      summed_at_ = now;
      for (Segment& segment : segments_) {
        if (segment.sums.blocks() > segment.summed + segment.summed / kSumsAtOnce) {
          FRESHET_RETURN_IF_ERROR(WriteSums(segment, false));
        }
      }
    }
  }
  return DeleteOld();
}

Status Spool::Sync() {
  for (Segment& segment : segments_) {
    if (!segment.synced) {
      FRESHET_RETURN_IF_ERROR(segment.file->Sync());
      segment.synced = true;
    }
  }
  return absl::OkStatus();
}

Status Spool::DeleteOld() {
  const auto now = clock_.Monotonic();
  if (options_.keep_ms == 0 || now - deleted_at_ < kDeleteEvery) {
    return absl::OkStatus();
  }
  deleted_at_ = now;
  FRESHET_ASSIGN_OR_RETURN(const std::vector<std::string> names, files_.List(options_.directory));
  const int64_t oldest_ns = (clock_.UnixMillis() - options_.keep_ms) * 1'000'000;
  // The newest one stays, also if it is not open: the next process goes by it.
  const uint64_t first_kept = next_number_ - std::max<uint64_t>(1, segments_.size());
  for (const std::string& name : names) {
    const uint64_t number = NumberOf(name);
    if (number == 0 || number >= first_kept) {
      continue;
    }
    const auto info = files_.Stat(PathOf(number));
    if (info.ok() && info->modified_ns < oldest_ns) {
      FRESHET_RETURN_IF_ERROR(files_.RemoveAll(PathOf(number)));
      FRESHET_RETURN_IF_ERROR(files_.RemoveAll(OriginPathOf(number)));
      FRESHET_RETURN_IF_ERROR(files_.RemoveAll(BlockSumsPath(PathOf(number))));
      Log().info("deleted received samples that are too old path={}", PathOf(number));
    }
  }
  return absl::OkStatus();
}

Status Spool::Complete() {
  FRESHET_RETURN_IF_ERROR(EndSegments());
  complete_ = true;
  return WriteFileAtomically(files_, options_.directory + "/" + kStreamCompleteName, "");
}

std::string Spool::PathOf(uint64_t number) const {
  return fmt::format("{}/{:0{}}", options_.directory, number, kDigits);
}

std::string Spool::OriginPathOf(uint64_t number) const {
  return fmt::format("{}/_{:0{}}.from", options_.directory, number, kDigits);
}

}  // namespace freshet::worker
