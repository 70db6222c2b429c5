#include "worker/receive/log_files.h"

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <utility>

namespace freshet::worker {
namespace {

// The ends that logrotate's compressors give to names. Such a file may be as old as the one that it
// was made of, and must not be taken for a further one.
bool IsCompressed(std::string_view name) {
  constexpr std::string_view kEnds[] = {
      ".gz", ".zst", ".bz2", ".xz", ".lz4", ".lz", ".lzma", ".lzo", ".br", ".Z", ".zip", ".7z"};
  return std::any_of(std::begin(kEnds), std::end(kEnds), [name](std::string_view end) {
    return name.ends_with(end);
  });
}

}  // namespace

LogFiles::LogFiles(FileSystem& files, std::string path)
    : files_(files),
      path_(std::move(path)),
      folder_(std::filesystem::path(path_).parent_path().string()),
      name_(std::filesystem::path(path_).filename().string()) {}

StatusOr<std::vector<LogFile>> LogFiles::List() const {
  FRESHET_ASSIGN_OR_RETURN(std::vector<LogFile> files, ListByName());
  FRESHET_ASSIGN_OR_RETURN(const std::vector<LogFile> again, ListByName());
  const auto is_same = [](const LogFile& a, const LogFile& b) {
    return a.path == b.path && a.info.inode == b.info.inode;
  };
  if (!std::equal(files.begin(), files.end(), again.begin(), again.end(), is_same)) {
    return Unavailable("{} is being renamed", path_);
  }
  std::stable_sort(files.begin(), files.end(), [this](const LogFile& a, const LogFile& b) {
    return std::pair(a.path == path_, a.info.modified_ns) <
           std::pair(b.path == path_, b.info.modified_ns);
  });
  return files;
}

StatusOr<std::vector<LogFile>> LogFiles::ListByName() const {
  FRESHET_ASSIGN_OR_RETURN(const std::vector<std::string> names, files_.List(folder_));
  std::vector<LogFile> files;
  for (const std::string& name : names) {
    if (!name.starts_with(name_) || IsCompressed(name)) {
      continue;
    }
    LogFile file{.path = fmt::format("{}/{}", folder_, name), .info = {}};
    const auto info = files_.Stat(file.path);
    if (info.ok() && !info->is_directory) {
      file.info = *info;
      files.push_back(std::move(file));
    } else if (!info.ok() && !absl::IsNotFound(info.status())) {
      return info.status();
    }
  }
  return files;
}

StatusOr<std::unique_ptr<ReadableFile>> LogFiles::Open(const LogFile& file) const {
  StatusOr<std::unique_ptr<ReadableFile>> opened = files_.OpenReadable(file.path);
  const auto info = files_.Stat(file.path);
  for (const Status& status : {opened.status(), info.status()}) {
    if (!status.ok() && !absl::IsNotFound(status)) {
      return status;
    }
  }
  if (!opened.ok() || !info.ok() || info->inode != file.info.inode) {
    return Unavailable("{} is being renamed", file.path);
  }
  return opened;
}

StatusOr<bool> LogFiles::IsFileOf(const LogMark& mark, const LogFile& file) const {
  std::string_view before = mark.before;
  uint64_t end = mark.position.offset;
  if (before.ends_with('\n')) {
    before.remove_suffix(1);
    --end;
  }
  if (file.info.inode != mark.position.inode || file.info.bytes < end || end < before.size()) {
    return false;
  }
  FRESHET_ASSIGN_OR_RETURN(const std::unique_ptr<ReadableFile> opened, Open(file));
  std::string there(before.size(), '\0');
  FRESHET_RETURN_IF_ERROR(
      opened->ReadAt(end - there.size(), std::as_writable_bytes(std::span(there))).status());
  return there == before;
}

}  // namespace freshet::worker
