#pragma once
#include <functional>
#include <map>
#include <string>

#include "common/env/clock.h"
#include "common/env/file_system.h"

namespace freshet::test {

// Files in memory, for reading streams from: a test can append, cut and replace them at any moment,
// also between two steps of the reader. Directories are what has files under it.
class MemoryFiles final : public FileSystem {
 public:
  // Creates the file if it is not there.
  void Append(const std::string& path, const std::string& text) {
    File& file = files_[path];
    file.inode = file.inode == 0 ? ++last_inode_ : file.inode;
    file.text += text;
  }

  void Cut(const std::string& path, size_t bytes) { files_.at(path).text.resize(bytes); }

  void Replace(const std::string& path, const std::string& text) {
    files_.erase(path);
    Append(path, text);
  }

  void Remove(const std::string& path) { files_.erase(path); }

  // Called before a file is looked for under this path.
  std::function<void(const std::string& path)> before_stat = [](const std::string&) {};

  StatusOr<std::unique_ptr<ReadableFile>> OpenReadable(const std::string& path) override;
  StatusOr<FileInfo> Stat(const std::string& path) override;
  StatusOr<std::vector<std::string>> List(const std::string& directory) override;

  // Streams write nothing.
  StatusOr<std::unique_ptr<WritableFile>> OpenWritable(const std::string& path) override;
  Status CreateDirectories(const std::string& directory) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status RemoveAll(const std::string& path) override;
  Status SyncFile(const std::string& path) override;
  Status SyncDirectory(const std::string& directory) override;

 private:
  friend class MemoryFile;

  struct File {
    std::string text;
    uint64_t inode = 0;
  };

  std::map<std::string, File> files_;
  uint64_t last_inode_ = 0;
};

// Stands still until it is set.
class StoppedClock final : public Clock {
 public:
  int64_t unix_ms = 1;
  std::chrono::nanoseconds now{0};

  std::chrono::nanoseconds Monotonic() const override { return now; }

  int64_t UnixMillis() const override { return unix_ms; }

  void SleepFor(std::chrono::nanoseconds /*duration*/) override {}
};

}  // namespace freshet::test
