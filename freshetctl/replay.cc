#include "freshetctl/replay.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "freshetctl/format.h"

namespace freshet::freshetctl {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr milliseconds kStep{10};
constexpr milliseconds kProgressEvery{1000};
constexpr milliseconds kDrawEvery{100};
constexpr size_t kReadBytes = 1U << 20U;
constexpr uint64_t kLinesPerFastStep = 20'000;

// The lines of a file, each with its line end; the last one gets one if it has none.
class Lines {
 public:
  Lines(std::unique_ptr<ReadableFile> file, uint64_t bytes)
      : file_(std::move(file)), total_bytes_(bytes) {}

  // Nothing at the end of the file. Valid until the next call.
  StatusOr<std::optional<std::string_view>> Next() {
    while (true) {
      const size_t end = buffer_.find('\n', std::max(begin_, searched_));
      if (end != std::string::npos) {
        return Take(end + 1 - begin_);
      }
      searched_ = buffer_.size();
      FRESHET_ASSIGN_OR_RETURN(const bool more, Fill());
      if (more) {
        continue;
      }
      if (begin_ == buffer_.size()) {
        return std::optional<std::string_view>();
      }
      buffer_ += '\n';
      return Take(buffer_.size() - begin_);
    }
  }

  // How much of the file has been given out, from 0 to 1.
  double Share() const {
    const uint64_t given = offset_ - std::min<uint64_t>(offset_, buffer_.size() - begin_);
    return total_bytes_ == 0
               ? 1.0
               : std::min(1.0, static_cast<double>(given) / static_cast<double>(total_bytes_));
  }

 private:
  std::optional<std::string_view> Take(size_t bytes) {
    const std::string_view line = std::string_view(buffer_).substr(begin_, bytes);
    begin_ += bytes;
    searched_ = begin_;
    return line;
  }

  StatusOr<bool> Fill() {
    buffer_.erase(0, begin_);
    searched_ -= begin_;
    begin_ = 0;
    const size_t old_size = buffer_.size();
    buffer_.resize(old_size + kReadBytes);
    const auto free = std::as_writable_bytes(std::span(buffer_)).subspan(old_size);
    FRESHET_ASSIGN_OR_RETURN(const size_t got, file_->ReadAt(offset_, free));
    buffer_.resize(old_size + got);
    offset_ += got;
    return got > 0;
  }

  std::unique_ptr<ReadableFile> file_;
  uint64_t total_bytes_;
  std::string buffer_;
  size_t begin_ = 0;     // of what has not been given out
  size_t searched_ = 0;  // no line end from begin_ up to here
  uint64_t offset_ = 0;  // where reading goes on
};

// The partitions being written: lines are collected, and appended once a step.
class Partitions {
 public:
  static StatusOr<Partitions> Create(FileSystem& files,
                                     const std::string& directory,
                                     uint32_t count) {
    FRESHET_RETURN_IF_ERROR(files.CreateDirectories(directory));
    FRESHET_ASSIGN_OR_RETURN(const std::vector<std::string> names, files.List(directory));
    for (const std::string& name : names) {
      if (name == "_SUCCESS" || name.ends_with(".csv")) {
        return FailedPrecondition(
            "{}/{} exists already: a replay begins with an empty directory", directory, name);
      }
    }
    Partitions partitions;
    for (uint32_t i = 0; i < count; ++i) {
      FRESHET_ASSIGN_OR_RETURN(auto file,
                               files.OpenWritable(fmt::format("{}/part-{}.csv", directory, i)));
      partitions.partitions_.push_back({.file = std::move(file), .pending = {}});
    }
    return partitions;
  }

  void AddToAll(std::string_view line) {
    for (Partition& partition : partitions_) {
      partition.pending += line;
    }
  }

  void Add(std::string_view line) { partitions_[lines_++ % partitions_.size()].pending += line; }

  uint64_t lines() const { return lines_; }

  Status Append() {
    for (Partition& partition : partitions_) {
      if (!partition.pending.empty()) {
        FRESHET_RETURN_IF_ERROR(
            partition.file->Append(std::as_bytes(std::span(partition.pending))));
        partition.pending.clear();
      }
    }
    return absl::OkStatus();
  }

  Status Sync() {
    for (Partition& partition : partitions_) {
      FRESHET_RETURN_IF_ERROR(partition.file->Sync());
    }
    return absl::OkStatus();
  }

 private:
  struct Partition {
    std::unique_ptr<WritableFile> file;
    std::string pending;
  };

  std::vector<Partition> partitions_;
  uint64_t lines_ = 0;
};

class Replayer {
 public:
  Replayer(const Context& context, const ReplayOptions& options, Lines lines, Partitions partitions)
      : context_(context),
        options_(options),
        lines_(std::move(lines)),
        partitions_(std::move(partitions)) {}

  Status Run() {
    if (options_.header) {
      FRESHET_ASSIGN_OR_RETURN(const std::optional<std::string_view> header, lines_.Next());
      partitions_.AddToAll(header.value_or(""));
    }
    begin_ = context_.env.clock.Monotonic();
    for (bool more = true; more;) {
      FRESHET_ASSIGN_OR_RETURN(more, AddUpTo(LinesDue()));
      FRESHET_RETURN_IF_ERROR(partitions_.Append());
      ShowProgress();
      if (more && options_.lines_per_second > 0) {
        context_.env.clock.SleepFor(kStep);
      }
    }
    FRESHET_RETURN_IF_ERROR(partitions_.Sync());
    FRESHET_RETURN_IF_ERROR(
        WriteFileAtomically(context_.env.files, options_.directory + "/_SUCCESS", ""));
    context_.out << (context_.terminal ? "\r\x1b[K" : "")
                 << fmt::format("{} lines into {} of {} in {}\n",
                                Count(partitions_.lines()),
                                options_.partitions == 1
                                    ? "1 partition"
                                    : fmt::format("{} partitions", options_.partitions),
                                options_.directory,
                                Duration(ElapsedMs()));
    return absl::OkStatus();
  }

 private:
  int64_t ElapsedMs() const {
    return std::chrono::duration_cast<milliseconds>(context_.env.clock.Monotonic() - begin_)
        .count();
  }

  // How many lines should have been written by now.
  uint64_t LinesDue() const {
    if (options_.lines_per_second <= 0) {
      return partitions_.lines() + kLinesPerFastStep;
    }
    const double seconds =
        std::chrono::duration<double>(context_.env.clock.Monotonic() - begin_).count();
    const double due = seconds * options_.lines_per_second + 1;
    return due < 1e18 ? static_cast<uint64_t>(due) : std::numeric_limits<uint64_t>::max();
  }

  // False: there are no more lines.
  StatusOr<bool> AddUpTo(uint64_t due) {
    while (partitions_.lines() < due) {
      if (options_.limit > 0 && partitions_.lines() == options_.limit) {
        return false;
      }
      FRESHET_ASSIGN_OR_RETURN(const std::optional<std::string_view> line, lines_.Next());
      if (!line) {
        return false;
      }
      partitions_.Add(*line);
    }
    return true;
  }

  void ShowProgress() {
    const nanoseconds now = context_.env.clock.Monotonic();
    if (now - shown_at_ < (context_.terminal ? kDrawEvery : kProgressEvery)) {
      return;
    }
    shown_at_ = now;
    const double share = options_.limit > 0 ? std::max(lines_.Share(),
                                                       static_cast<double>(partitions_.lines()) /
                                                           static_cast<double>(options_.limit))
                                            : lines_.Share();
    const double seconds = std::max(1e-3, std::chrono::duration<double>(now - begin_).count());
    const std::string text = fmt::format(
        "{} lines, {:.1f}%, {} lines/s",
        Count(partitions_.lines()),
        100 * share,
        Count(static_cast<uint64_t>(static_cast<double>(partitions_.lines()) / seconds)));
    if (context_.terminal) {
      context_.out << "\r" << text << "\x1b[K" << std::flush;
    } else {
      context_.out << text << std::endl;
    }
  }

  const Context& context_;
  const ReplayOptions& options_;
  Lines lines_;
  Partitions partitions_;
  nanoseconds begin_{0};
  nanoseconds shown_at_{0};
};

}  // namespace

Outcome Replay(const Context& context, const ReplayOptions& options) {
  FileSystem& files = context.env.files;
  FRESHET_ASSIGN_OR_RETURN(const FileInfo info, files.Stat(options.file));
  if (info.is_directory) {
    return FailedPrecondition("{} is a directory, not a file", options.file);
  }
  FRESHET_ASSIGN_OR_RETURN(auto file, files.OpenReadable(options.file));
  FRESHET_ASSIGN_OR_RETURN(Partitions partitions,
                           Partitions::Create(files, options.directory, options.partitions));
  return Replayer(context, options, Lines(std::move(file), info.bytes), std::move(partitions))
      .Run();
}

}  // namespace freshet::freshetctl
