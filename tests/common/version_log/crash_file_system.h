#pragma once
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "common/env/file_system.h"

namespace freshet::test {

// Files in memory that remember what was synced. It can begin to fail at any operation, and crash
// like a machine: of all that was not synced each piece survives or not, independently.
// Thread-safety: one thread. Outlives the files it opened.
class CrashFileSystem final : public FileSystem {
 public:
  CrashFileSystem();
  ~CrashFileSystem() override;

  // Operations that change something, so far.
  uint64_t operations() const { return operations_; }

  // The operation with this number (from 0), and all after it, fail. A write that fails has
  // written a part of its bytes.
  void FailFrom(uint64_t operation) { fail_from_ = operation; }

  // Loses what was not synced, as `random` says, and works again.
  void Crash(std::mt19937_64& random);

  // The bytes of a file, to be damaged. It must exist.
  std::string& Bytes(const std::string& path);

  // Another program writes to the end of the file, and creates it if need be.
  void Append(const std::string& path, const std::string& bytes);

  // Unix time that a write gives its file.
  int64_t now_ns = 0;
  // Whether a new file gets the inode of one that is gone and closed, as on ext4; else a new one.
  bool reuses_inodes = false;

  StatusOr<std::unique_ptr<WritableFile>> OpenWritable(const std::string& path) override;
  StatusOr<std::unique_ptr<ReadableFile>> OpenReadable(const std::string& path) override;
  StatusOr<FileInfo> Stat(const std::string& path) override;
  StatusOr<std::vector<std::string>> List(const std::string& directory) override;
  Status CreateDirectories(const std::string& directory) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status RemoveAll(const std::string& path) override;
  Status SyncFile(const std::string& path) override;
  Status SyncDirectory(const std::string& directory) override;

 private:
  struct Node;

  struct Inodes {
    uint64_t last = 0;
    std::vector<uint64_t> free = {};
  };

  class Writer;
  class Reader;
  using Entries = std::map<std::string, std::shared_ptr<Node>>;

  Status Change(const std::string& what);
  std::shared_ptr<Node> MakeNode();
  std::shared_ptr<Node> Find(const std::string& path) const;
  StatusOr<std::shared_ptr<Node>> FindDirectory(const std::string& path) const;
  static void Crash(Node& node, std::mt19937_64& random);

  const std::shared_ptr<Inodes> inodes_ = std::make_shared<Inodes>();
  std::shared_ptr<Node> root_;
  uint64_t operations_ = 0;
  uint64_t fail_from_ = std::numeric_limits<uint64_t>::max();
};

}  // namespace freshet::test
