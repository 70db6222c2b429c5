#pragma once
#include <memory>
#include <string>
#include <vector>

#include "common/env/file_system.h"

namespace freshet::test {

// The machine's files, for tests that change one or two operations of them.
class ForwardingFiles : public FileSystem {
 public:
  StatusOr<std::unique_ptr<WritableFile>> OpenWritable(const std::string& path) override {
    return LocalFileSystem().OpenWritable(path);
  }

  StatusOr<std::unique_ptr<ReadableFile>> OpenReadable(const std::string& path) override {
    return LocalFileSystem().OpenReadable(path);
  }

  StatusOr<FileInfo> Stat(const std::string& path) override { return LocalFileSystem().Stat(path); }

  StatusOr<std::vector<std::string>> List(const std::string& directory) override {
    return LocalFileSystem().List(directory);
  }

  Status CreateDirectories(const std::string& directory) override {
    return LocalFileSystem().CreateDirectories(directory);
  }

  Status Rename(const std::string& from, const std::string& to) override {
    return LocalFileSystem().Rename(from, to);
  }

  Status RemoveAll(const std::string& path) override { return LocalFileSystem().RemoveAll(path); }

  Status SyncFile(const std::string& path) override { return LocalFileSystem().SyncFile(path); }

  Status SyncDirectory(const std::string& directory) override {
    return LocalFileSystem().SyncDirectory(directory);
  }
};

}  // namespace freshet::test
