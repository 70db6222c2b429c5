#include "common/stream/growing_file.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <utility>

#include "common/stream/partition_name.h"

namespace freshet {
namespace {

constexpr size_t kChunkBytes = 256U << 10U;
// How often to look which files came after this one.
constexpr std::chrono::milliseconds kListEvery{100};

}  // namespace

GrowingFile::GrowingFile(FileSystem& files,
                         Clock& clock,
                         const FileStreamOptions& options,
                         std::string path,
                         std::string success_path)
    : files_(files),
      clock_(clock),
      options_(options),
      path_(std::move(path)),
      success_path_(std::move(success_path)) {}

Status GrowingFile::Open(uint64_t offset, char* before) {
  // Before the file itself, which has all bytes of which there are checksums.
  SummedBlocks summed;
  if (options_.block_sums) {
    FRESHET_ASSIGN_OR_RETURN(summed, ReadBlockSums(files_, path_));
  }
  FRESHET_ASSIGN_OR_RETURN(file_, files_.OpenReadable(path_));
  FRESHET_ASSIGN_OR_RETURN(const FileInfo info, files_.Stat(path_));
  inode_ = info.inode;
  offset_ = offset;
  if (const Compression compression = CompressionOf(path_); compression != Compression::kNone) {
    auto decompressed = Decompress(std::move(file_), compression, path_);
    decompressed_ = decompressed.get();
    file_ = std::move(decompressed);
  } else if (info.bytes < offset) {
    return FailedPrecondition("{} has {} bytes, but training stands at byte {}; was it replaced?",
                              path_,
                              info.bytes,
                              offset);
  } else if (!summed.sums.empty()) {
    auto checked = std::make_unique<CheckedFile>(std::move(file_), std::move(summed), path_);
    checked_ = checked.get();
    file_ = std::move(checked);
  }
  if (offset == 0) {
    return absl::OkStatus();
  }
  FRESHET_ASSIGN_OR_RETURN(const size_t got,
                           file_->ReadAt(offset - 1, std::as_writable_bytes(std::span(before, 1))));
  if (got == 0) {
    return FailedPrecondition(
        "{} is shorter than byte {}, where training stands; was it replaced?", path_, offset);
  }
  return absl::OkStatus();
}

StatusOr<size_t> GrowingFile::Fill() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
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

StatusOr<GrowingFile::Then> GrowingFile::AtEnd() {
  FRESHET_RETURN_IF_ERROR(CheckNotCut());
  if (complete_) {
    FRESHET_RETURN_IF_ERROR(CheckWhole());
    return Then::kEnded;
  }
  // The marker may have been set after our read, and records appended just before it. So what was
  // read so far is all there is only if nothing comes *after* the marker was seen.
  FRESHET_ASSIGN_OR_RETURN(complete_, NothingWillBeAppended());
  return complete_ ? Then::kReadOn : Then::kAskLater;
}

StatusOr<bool> GrowingFile::HasByteAt(uint64_t offset) const {
  std::byte byte{};
  FRESHET_ASSIGN_OR_RETURN(const size_t got, file_->ReadAt(offset, std::span(&byte, 1)));
  return got != 0;
}

Status GrowingFile::CheckNotCut() const {
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

Status GrowingFile::CheckWhole() const {
  if (decompressed_ != nullptr && !decompressed_->AtBoundary()) {
    return FailedPrecondition(
        "{} ends in the middle of its compressed data: it is cut off, or still being written",
        path_);
  }
  return absl::OkStatus();
}

StatusOr<bool> GrowingFile::NothingWillBeAppended() {
  if (!options_.follow) {
    return true;
  }
  const auto marker = files_.Stat(success_path_);
  if (!marker.ok() && !absl::IsNotFound(marker.status())) {
    return marker.status();
  }
  if (marker.ok()) {
    return true;
  }
  return IsSealed();
}

StatusOr<bool> GrowingFile::IsSealed() {
  const std::filesystem::path path(path_);
  if (options_.open_files == 0 || clock_.Monotonic() - listed_at_ < kListEvery) {
    return false;
  }
  listed_at_ = clock_.Monotonic();
  FRESHET_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                           files_.List(path.parent_path().string()));
  const auto behind = std::upper_bound(names.begin(), names.end(), path.filename().string());
  return std::count_if(behind, names.end(), [this](const std::string& name) {
           return IsPartitionName(name, options_.suffix);
         }) >= options_.open_files;
}

}  // namespace freshet
