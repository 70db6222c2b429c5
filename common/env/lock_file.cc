#include "common/env/lock_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace freshet {

StatusOr<std::unique_ptr<LockFile>> LockFile::Acquire(const std::string& path) {
  const int fd = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644);
  if (fd < 0) {
    return FailedPrecondition("open {}: {}", path, std::strerror(errno));
  }
  std::unique_ptr<LockFile> lock(new LockFile(fd));
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) {
    return lock;
  }
  if (errno == EWOULDBLOCK) {
    return AlreadyExists("{} is locked by another process", path);
  }
  return FailedPrecondition("lock {}: {}", path, std::strerror(errno));
}

LockFile::~LockFile() {
  ::close(fd_);
}

}  // namespace freshet
