#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/status.h"

namespace freshet {

// A file being written from its beginning. One thread at a time.
class WritableFile {
 public:
  virtual ~WritableFile() = default;  // closes; without Sync nothing is promised

  virtual Status Append(std::span<const std::byte> bytes) = 0;
  // Bytes appended so far survive a crash of the machine from now on.
  virtual Status Sync() = 0;
};

// Thread-safety: any thread.
class ReadableFile {
 public:
  virtual ~ReadableFile() = default;

  // Reads up to into.size() bytes at `offset`; fewer only at the end of the file.
  virtual StatusOr<size_t> ReadAt(uint64_t offset, std::span<std::byte> into) const = 0;
};

struct FileInfo {
  uint64_t bytes = 0;
  uint64_t inode = 0;
  bool is_directory = false;
  int64_t modified_ns = 0;  // when the content last changed, Unix time
};

// Files as the logic sees them; a test can fail them or lose what was not synced.
// Errors name the path. NotFound: no such file. ResourceExhausted: the disk is full.
// Thread-safety: any thread.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // Creates or empties the file.
  virtual StatusOr<std::unique_ptr<WritableFile>> OpenWritable(const std::string& path) = 0;
  virtual StatusOr<std::unique_ptr<ReadableFile>> OpenReadable(const std::string& path) = 0;
  virtual StatusOr<FileInfo> Stat(const std::string& path) = 0;
  // Names in the directory, sorted, without "." and "..".
  virtual StatusOr<std::vector<std::string>> List(const std::string& directory) = 0;
  // Also parents; one that exists is no error.
  virtual Status CreateDirectories(const std::string& directory) = 0;
  // Atomic; replaces `to`.
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  // A file, or a directory with all it holds; one that does not exist is no error.
  virtual Status RemoveAll(const std::string& path) = 0;
  // What is in the file survives a crash from now on, whoever wrote it.
  virtual Status SyncFile(const std::string& path) = 0;
  // Names created, renamed or removed in the directory survive a crash from now on.
  virtual Status SyncDirectory(const std::string& directory) = 0;
};

// The machine's. Lives as long as the process.
FileSystem& LocalFileSystem();

// The whole file. ResourceExhausted above `max_bytes`.
StatusOr<std::string> ReadFile(FileSystem& files,
                               const std::string& path,
                               uint64_t max_bytes = 64U << 20U);

// With its parents. The names of those that it creates survive a crash from now on.
Status CreateDirectoriesDurably(FileSystem& files, const std::string& directory);

// Whole or not at all, also after a crash: writes beside, syncs, renames, syncs the directory.
Status WriteFileAtomically(FileSystem& files, const std::string& path, const std::string& content);

}  // namespace freshet
