#include <algorithm>
#include <deque>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "worker/log.h"
#include "worker/receive/log_files.h"
#include "worker/receive/sample_source.h"

namespace freshet::worker {
namespace {

using std::chrono::milliseconds;

constexpr size_t kReadBytes = 1U << 20U;
constexpr milliseconds kRest{5};
// A program may go on writing to a file that was renamed, until it is told to open the new one. So
// the old one is left when it has not grown for this long since then.
constexpr milliseconds kLinger{1000};

void KeepLast(size_t bytes, std::string* text) {
  text->erase(0, text->size() - std::min(text->size(), bytes));
}

// While files are being renamed they are looked at again in the next round.
Status UnlessRenamed(const Status& status) {
  return absl::IsUnavailable(status) ? absl::OkStatus() : status;
}

class LogSource final : public SampleSource {
 public:
  LogSource(FileSystem& files,
            Clock& clock,
            std::string path,
            std::vector<LogMark> received,
            int64_t not_before_ns)
      : files_(files),
        clock_(clock),
        path_(std::move(path)),
        log_(files, path_),
        modified_ns_(not_before_ns),
        resumes_(!received.empty()),
        read_(std::make_move_iterator(received.begin()), std::make_move_iterator(received.end())) {}

  StatusOr<Received> Receive(milliseconds patience) override {
    if (file_ == nullptr) {
      FRESHET_RETURN_IF_ERROR(UnlessRenamed(resumes_ ? OpenWhereItStood() : OpenNext()));
    }
    Received received;
    if (file_ != nullptr) {
      FRESHET_ASSIGN_OR_RETURN(received, ReadOn());
    }
    if (received.bytes.empty()) {
      if (std::exchange(leaving_, false)) {
        received = Leave();
      } else if (file_ != nullptr) {
        FRESHET_RETURN_IF_ERROR(UnlessRenamed(LookBehindTheEnd()));
      }
    }
    if (received.bytes.empty()) {
      clock_.SleepFor(std::min(patience, kRest));
    }
    return received;
  }

 private:
  StatusOr<Received> ReadOn() {
    FRESHET_ASSIGN_OR_RETURN(
        const size_t got,
        file_->ReadAt(position_.offset, std::as_writable_bytes(std::span(buffer_))));
    if (position_.offset + got > seen_) {
      seen_ = position_.offset + got;
      grew_at_ = clock_.Monotonic();
    }
    // Whole lines, so that who is killed between two reads has cut none; but not a line that is
    // longer than all this.
    std::string_view whole(buffer_.data(), got);
    if (const size_t line_end = whole.rfind('\n'); line_end != std::string_view::npos) {
      whole = whole.substr(0, line_end + 1);
    } else if (got < kReadBytes) {
      whole = {};
    }
    unfinished_ = got - whole.size();
    return Take(whole);
  }

  // Gives out what comes next in the file.
  Received Take(std::string_view bytes) {
    Received received;
    if (!bytes.empty()) {
      received.bytes = bytes;
      received.position = position_;
      received.begins_file = std::exchange(begins_file_, false);
      received.gap = std::exchange(gap_, false);
      position_.offset += bytes.size();
      line_end_given_ = false;
      before_ += bytes;
      KeepLast(LogMark::kMostBytes, &before_);
    }
    return received;
  }

  // All has been read: does it go on in another file?
  Status LookBehindTheEnd() {
    const auto info = files_.Stat(path_);
    if (!info.ok() && !absl::IsNotFound(info.status())) {
      return info.status();
    }
    if (info.ok() && info->inode == position_.inode) {
      modified_ns_ = info->modified_ns;
      renamed_at_.reset();
      if (info->bytes < position_.offset) {
        BeginAnew(info->bytes);
      }
      return absl::OkStatus();
    }
    const auto now = clock_.Monotonic();
    renamed_at_ = renamed_at_.value_or(now);
    if (now - std::max(grew_at_, *renamed_at_) < kLinger) {
      return absl::OkStatus();
    }
    FRESHET_ASSIGN_OR_RETURN(const auto files, log_.List());
    for (const LogFile& file : files) {
      if (file.info.inode == position_.inode) {
        modified_ns_ = file.info.modified_ns;
      }
    }
    // While there is no other one, who writes may still write to this one.
    FRESHET_ASSIGN_OR_RETURN(const LogFile* const next, Next(files));
    leaving_ = next != nullptr;
    return absl::OkStatus();
  }

  void BeginAnew(uint64_t bytes) {
    Log().warn(
        "log file was cut, lines may be lost path={} bytes={} read={}: let it be renamed, not "
        "copied, when it is rotated",
        path_,
        bytes,
        position_.offset);
    position_.offset = 0;
    seen_ = 0;
    before_.clear();
    begins_file_ = true;
    gap_ = true;
  }

  // Gives out what stands behind the last line end; ReadOn has just read it.
  Received Leave() {
    Received received = Take({buffer_.data(), unfinished_});
    if (!before_.empty() && before_.back() != '\n' && !line_end_given_) {
      if (received.bytes.empty()) {
        received.position = position_;
      }
      received.bytes += '\n';
    }
    read_.push_back({.position = position_, .before = std::move(before_)});
    if (read_.size() > LogMark::kMostRemembered) {
      read_.pop_front();
    }
    file_.reset();
    return received;
  }

  Status OpenWhereItStood() {
    FRESHET_ASSIGN_OR_RETURN(const auto files, log_.List());
    const LogMark& from = read_.back();
    for (const LogFile& file : files) {
      FRESHET_ASSIGN_OR_RETURN(const bool is_it, log_.IsFileOf(from, file));
      if (is_it) {
        return OpenBehind(from, file);
      }
    }
    Log().warn(
        "the log file that was being read is gone, lines may be lost path={} inode={} read={}",
        path_,
        from.position.inode,
        from.position.offset);
    gap_ = true;
    resumes_ = false;
    return OpenNext();
  }

  Status OpenBehind(const LogMark& mark, const LogFile& file) {
    FRESHET_RETURN_IF_ERROR(Open(file));
    position_ = mark.position;
    before_ = mark.before;
    if (before_.ends_with('\n')) {
      char last = '\0';
      FRESHET_RETURN_IF_ERROR(
          file_->ReadAt(position_.offset - 1, std::as_writable_bytes(std::span(&last, 1)))
              .status());
      if (last != '\n') {  // the file has none; it was given one when it was left
        before_.pop_back();
        --position_.offset;
        line_end_given_ = true;
      }
    }
    seen_ = position_.offset;
    resumes_ = false;
    read_.pop_back();
    return absl::OkStatus();
  }

  Status OpenNext() {
    FRESHET_ASSIGN_OR_RETURN(const auto files, log_.List());
    FRESHET_ASSIGN_OR_RETURN(const LogFile* const next, Next(files));
    return next == nullptr ? absl::OkStatus() : Open(*next);
  }

  // At its beginning.
  Status Open(const LogFile& file) {
    FRESHET_ASSIGN_OR_RETURN(file_, log_.Open(file));
    position_ = {.inode = file.info.inode, .offset = 0};
    modified_ns_ = file.info.modified_ns;
    seen_ = 0;
    before_.clear();
    line_end_given_ = false;
    begins_file_ = true;
    grew_at_ = clock_.Monotonic();
    renamed_at_.reset();
    Log().info("reads log path={}", file.path);
    return absl::OkStatus();
  }

  // Of `files`, which are in order, the oldest that is newer than what was read; none: null.
  StatusOr<const LogFile*> Next(const std::vector<LogFile>& files) const {
    for (const LogFile& file : files) {
      const bool older = file.info.modified_ns < modified_ns_;
      const bool rotated = file.path != path_;
      const bool is_read = file_ != nullptr && file.info.inode == position_.inode;
      // At the very beginning there is nothing that rotated files could go on from.
      if (is_read || (rotated && (older || modified_ns_ == 0))) {
        continue;
      }
      FRESHET_ASSIGN_OR_RETURN(const bool was_read, WasRead(file));
      if (!was_read) {
        return &file;
      }
    }
    return nullptr;
  }

  StatusOr<bool> WasRead(const LogFile& file) const {
    for (const LogMark& mark : read_) {
      FRESHET_ASSIGN_OR_RETURN(const bool is_it, log_.IsFileOf(mark, file));
      // Of an empty file there is nothing to know it by.
      if (is_it && (mark.position.offset > 0 || file.info.bytes == 0)) {
        return true;
      }
    }
    return false;
  }

  FileSystem& files_;
  Clock& clock_;
  const std::string path_;
  const LogFiles log_;
  int64_t modified_ns_;       // of the file that is read, or was read last
  bool resumes_;              // begins behind the last of read_
  std::deque<LogMark> read_;  // how far files were read that are left, the last ones

  std::vector<char> buffer_ = std::vector<char>(kReadBytes);
  std::unique_ptr<ReadableFile> file_;
  LogPosition position_;         // behind what was given out
  std::string before_;           // the last bytes before it
  bool line_end_given_ = false;  // that does not stand in the file
  size_t unfinished_ = 0;        // bytes of the buffer that were not given out
  uint64_t seen_ = 0;            // as far as the file went when it was looked at last
  bool leaving_ = false;         // nothing but its rest is wanted
  std::chrono::nanoseconds grew_at_{0};
  std::optional<std::chrono::nanoseconds> renamed_at_;  // when that was noticed
  bool begins_file_ = false;
  bool gap_ = false;
};

}  // namespace

std::unique_ptr<SampleSource> MakeLogSource(FileSystem& files,
                                            Clock& clock,
                                            const std::string& path,
                                            std::vector<LogMark> received,
                                            int64_t not_before_ns) {
  return std::make_unique<LogSource>(files, clock, path, std::move(received), not_before_ns);
}

}  // namespace freshet::worker
