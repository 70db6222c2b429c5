#pragma once
#include <memory>
#include <string>

#include "common/status.h"

namespace freshet {

// Keeps others from using a directory, as long as this lives. The lock is the kernel's, so it goes
// with the process, however that ends.
class LockFile {
 public:
  // Creates the file if need be; its directory is there. AlreadyExists: another one has the lock.
  static StatusOr<std::unique_ptr<LockFile>> Acquire(const std::string& path);
  ~LockFile();

  LockFile(const LockFile&) = delete;
  LockFile& operator=(const LockFile&) = delete;

 private:
  explicit LockFile(int fd) : fd_(fd) {}

  const int fd_;
};

}  // namespace freshet
