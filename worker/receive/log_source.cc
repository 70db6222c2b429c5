#include <algorithm>
#include <deque>
#include <filesystem>
#include <string_view>
#include <utility>
#include <vector>

#include "common/stream/decompressed_file.h"
#include "worker/log.h"
#include "worker/receive/sample_source.h"

namespace freshet::worker {
namespace {

using std::chrono::milliseconds;

constexpr size_t kReadBytes = 1U << 20U;
constexpr milliseconds kRest{5};
// A program may go on writing to a file that was renamed, until it is told to open the new one. So
// the old one is left when it has not grown for this long.
constexpr milliseconds kLinger{1000};
constexpr size_t kRememberedFiles = 64;

struct LogFile {
  std::string path;
  FileInfo info;
};

class LogSource final : public SampleSource {
 public:
  LogSource(FileSystem& files,
            Clock& clock,
            std::string path,
            std::optional<LogPosition> from,
            int64_t not_before_ns)
      : files_(files),
        clock_(clock),
        path_(std::move(path)),
        from_(from),
        modified_ns_(not_before_ns) {}

  StatusOr<Received> Receive(milliseconds patience) override {
    if (file_ == nullptr) {
      FRESHET_RETURN_IF_ERROR(from_ ? OpenWhereItStood() : OpenNext());
    }
    Received received;
    if (file_ != nullptr) {
      FRESHET_ASSIGN_OR_RETURN(received, ReadOn());
    }
    if (received.bytes.empty()) {
      if (std::exchange(leaving_, false)) {
        Leave();
      } else if (file_ != nullptr) {
        FRESHET_RETURN_IF_ERROR(LookBehindTheEnd());
      }
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
    // longer than all this, or the unfinished end of a file that is left.
    std::string_view whole(buffer_.data(), got);
    if (const size_t line_end = whole.rfind('\n'); line_end != std::string_view::npos) {
      whole = whole.substr(0, line_end + 1);
    } else if (got < kReadBytes && !leaving_) {
      whole = {};
    }
    Received received;
    if (!whole.empty()) {
      received.bytes = whole;
      received.position = position_;
      received.begins_file = std::exchange(begins_file_, false);
      received.gap = std::exchange(gap_, false);
      position_.offset += whole.size();
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
      if (info->bytes < position_.offset) {
        Log().warn(
            "log file was cut, lines may be lost path={} bytes={} read={}: let it be renamed, not "
            "copied, when it is rotated",
            path_,
            info->bytes,
            position_.offset);
        position_.offset = 0;
        seen_ = 0;
        begins_file_ = true;
        gap_ = true;
      }
      return absl::OkStatus();
    }
    if (clock_.Monotonic() - grew_at_ >= kLinger) {
      FRESHET_ASSIGN_OR_RETURN(const std::vector<LogFile> files, List());
      for (const LogFile& file : files) {
        if (file.info.inode == position_.inode) {
          modified_ns_ = file.info.modified_ns;
        }
      }
      leaving_ = true;
    }
    return absl::OkStatus();
  }

  void Leave() {
    read_.push_back(position_.inode);
    if (read_.size() > kRememberedFiles) {
      read_.pop_front();
    }
    file_.reset();
  }

  Status OpenWhereItStood() {
    const LogPosition from = *std::exchange(from_, std::nullopt);
    FRESHET_ASSIGN_OR_RETURN(const std::vector<LogFile> files, List());
    for (const LogFile& file : files) {
      if (file.info.inode == from.inode && file.info.bytes >= from.offset) {
        return Open(file, from.offset);
      }
    }
    Log().warn(
        "the log file that was being read is gone, lines may be lost path={} inode={} read={}",
        path_,
        from.inode,
        from.offset);
    gap_ = true;
    return OpenNext();
  }

  // The oldest of those that are newer than what was read.
  Status OpenNext() {
    FRESHET_ASSIGN_OR_RETURN(const std::vector<LogFile> files, List());
    for (const LogFile& file : files) {
      const bool older = file.info.modified_ns < modified_ns_;
      const bool was_read = std::find(read_.begin(), read_.end(), file.info.inode) != read_.end();
      const bool rotated = file.path != path_;
      // At the very beginning there is nothing that rotated files could go on from.
      if (!was_read && !(rotated && (older || modified_ns_ == 0))) {
        return Open(file, 0);
      }
    }
    return absl::OkStatus();
  }

  Status Open(const LogFile& file, uint64_t offset) {
    FRESHET_ASSIGN_OR_RETURN(file_, files_.OpenReadable(file.path));
    position_ = {.inode = file.info.inode, .offset = offset};
    modified_ns_ = file.info.modified_ns;
    seen_ = offset;
    begins_file_ = true;
    grew_at_ = clock_.Monotonic();
    Log().info("reads log path={} offset={}", file.path, offset);
    return absl::OkStatus();
  }

  // The log and what it was renamed to, oldest first; the log itself is the last one.
  StatusOr<std::vector<LogFile>> List() const {
    const std::filesystem::path path(path_);
    const std::string folder = path.parent_path().string();
    const std::string name = path.filename().string();
    FRESHET_ASSIGN_OR_RETURN(const std::vector<std::string> names, files_.List(folder));
    std::vector<LogFile> files;
    for (const std::string& other : names) {
      if (!other.starts_with(name) || CompressionOf(other) != Compression::kNone) {
        continue;
      }
      LogFile file{.path = fmt::format("{}/{}", folder, other), .info = {}};
      const auto info = files_.Stat(file.path);
      if (info.ok() && !info->is_directory) {
        file.info = *info;
        files.push_back(std::move(file));
      } else if (!info.ok() && !absl::IsNotFound(info.status())) {
        return info.status();
      }
    }
    std::sort(files.begin(), files.end(), [this](const LogFile& a, const LogFile& b) {
      return std::pair(a.path == path_, a.info.modified_ns) <
             std::pair(b.path == path_, b.info.modified_ns);
    });
    return files;
  }

  FileSystem& files_;
  Clock& clock_;
  const std::string path_;
  std::optional<LogPosition> from_;
  int64_t modified_ns_;  // of the file that is read, or was read last

  std::vector<char> buffer_ = std::vector<char>(kReadBytes);
  std::unique_ptr<ReadableFile> file_;
  LogPosition position_;  // behind what was given out
  uint64_t seen_ = 0;     // as far as the file went when it was looked at last
  bool leaving_ = false;  // nothing but its rest is wanted
  std::chrono::nanoseconds grew_at_{0};
  bool begins_file_ = false;
  bool gap_ = false;
  std::deque<uint64_t> read_;  // inodes of the files read to their end, the last ones
};

}  // namespace

std::unique_ptr<SampleSource> MakeLogSource(FileSystem& files,
                                            Clock& clock,
                                            const std::string& path,
                                            std::optional<LogPosition> from,
                                            int64_t not_before_ns) {
  return std::make_unique<LogSource>(files, clock, path, from, not_before_ns);
}

}  // namespace freshet::worker
