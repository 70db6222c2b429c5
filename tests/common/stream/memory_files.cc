#include "tests/common/stream/memory_files.h"

#include <algorithm>
#include <cstring>

namespace freshet::test {

// An open file: like a descriptor, it stays with the bytes it was opened on when another file takes
// the name.
class MemoryFile final : public ReadableFile {
 public:
  MemoryFile(const MemoryFiles& files, std::string path, uint64_t inode)
      : files_(files), path_(std::move(path)), inode_(inode) {}

  StatusOr<size_t> ReadAt(uint64_t offset, std::span<std::byte> into) const override {
    const auto found = files_.files_.find(path_);
    if (found == files_.files_.end() || found->second.inode != inode_) {
      return 0;
    }
    const std::string& text = found->second.text;
    if (offset >= text.size()) {
      return 0;
    }
    const size_t bytes = std::min<size_t>(into.size(), text.size() - offset);
    std::memcpy(into.data(), text.data() + offset, bytes);
    return bytes;
  }

 private:
  const MemoryFiles& files_;
  const std::string path_;
  const uint64_t inode_;
};

StatusOr<std::unique_ptr<ReadableFile>> MemoryFiles::OpenReadable(const std::string& path) {
  const auto found = files_.find(path);
  if (found == files_.end()) {
    return NotFound("open {}: no such file", path);
  }
  return std::make_unique<MemoryFile>(*this, path, found->second.inode);
}

StatusOr<FileInfo> MemoryFiles::Stat(const std::string& path) {
  before_stat(path);
  if (const auto found = files_.find(path); found != files_.end()) {
    return FileInfo{.bytes = found->second.text.size(), .inode = found->second.inode};
  }
  const auto below = files_.lower_bound(path + "/");
  if (below != files_.end() && below->first.starts_with(path + "/")) {
    return FileInfo{.is_directory = true};
  }
  return NotFound("stat {}: no such file", path);
}

StatusOr<std::vector<std::string>> MemoryFiles::List(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& [path, file] : files_) {
    if (path.starts_with(directory + "/")) {
      const std::string rest = path.substr(directory.size() + 1);
      names.push_back(rest.substr(0, rest.find('/')));
    }
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

StatusOr<std::unique_ptr<WritableFile>> MemoryFiles::OpenWritable(const std::string& path) {
  return FailedPrecondition("create {}: these files are written by the test alone", path);
}

Status MemoryFiles::CreateDirectories(const std::string& directory) {
  return FailedPrecondition("create {}: these files are written by the test alone", directory);
}

Status MemoryFiles::Rename(const std::string& from, const std::string& /*to*/) {
  return FailedPrecondition("rename {}: these files are written by the test alone", from);
}

Status MemoryFiles::RemoveAll(const std::string& path) {
  return FailedPrecondition("remove {}: these files are written by the test alone", path);
}

Status MemoryFiles::SyncFile(const std::string& path) {
  return FailedPrecondition("sync {}: these files are written by the test alone", path);
}

Status MemoryFiles::SyncDirectory(const std::string& directory) {
  return FailedPrecondition("sync {}: these files are written by the test alone", directory);
}

}  // namespace freshet::test
