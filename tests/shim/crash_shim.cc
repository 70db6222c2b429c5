// Preloaded (LD_PRELOAD) into a process: counts what it does to the files of one directory, kills
// it before the operation of a given number, and takes from the disk what was not synced by then,
// as a power cut would.
//
//   FRESHET_SHIM_DIR          the directory, absolute; what lies elsewhere is left alone
//   FRESHET_SHIM_TRACE        a file that gets a line an operation, before it is done, with tabs:
//                             NUMBER, TIMES it was done to that path, OPERATION, PATH below the
//                             directory
//   FRESHET_SHIM_DIE_AT       dies before the operation of this NUMBER, or before this "TIMES
//                             OPERATION PATH", where a PATH with N for each number stands for all
//                             such paths together; once, that is, not if the trace says that a
//                             process has died of it before
//   FRESHET_SHIM_LOSE         what is lost then, of all that no sync has covered
//       nothing    (default): the process dies, the machine goes on
//       all        bytes and names: new files are gone, removed and renamed ones are back
//       bytes      files have the bytes of their last sync; names are as they were
//       zeros      as bytes, but files keep their length, with zeros where the bytes were
//       creations  of the names only those of new files
//       renames    of the names only those that files were given later
//       removals   of the names only that some are gone
//   FRESHET_SHIM_IGNORE_SYNC  a pattern (fnmatch) of "TIMES OPERATION PATH": such syncs are said to
//                             succeed and do nothing. This plants the bug that a test must see
//
// The promise that is modelled is that of POSIX and no more: fsync and fdatasync of a file make its
// bytes durable, fsync of a directory the names in it. What was removed waits in DIRECTORY.lost
// until its removal is durable. What is not modelled (links, fopen, directories that are renamed)
// ends the process, so that nobody relies on it.
//
// Thread-safety: one lock around each operation; after the last one nobody gets it.

#include <dlfcn.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/shim/unsynced.h"

namespace freshet::shim {
namespace {

// True in a thread that is in here already: what it does is no operation of the process.
thread_local bool inside = false;

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// ---- counting and dying

class Shim {
 public:
  // Never destroyed: threads may still write while the process ends.
  static Shim& Get() {
    static Shim& shim = *new Shim();
    return shim;
  }

  bool Watches(const std::string& path) const {
    return !directory_.empty() && (path == directory_ || path.starts_with(directory_ + "/"));
  }

  // The directory's own name is in its parent.
  bool WatchesSyncOf(const std::string& path) const {
    return Watches(path) || (!directory_.empty() && path == ParentOf(directory_));
  }

  // With the lock held: an operation is about to be done. Says whether, if it is a sync, it is one
  // that is to do nothing.
  bool Count(const char* operation, const std::string& path) {
    const std::string below = Below(path);
    const std::string number = std::to_string(++count_);
    const std::string words = TimesDone(operation, below);
    const std::string kind = KindOf(below);
    const std::string of_kind = kind == below ? words : TimesDone(operation, kind);
    const std::string times = words.substr(0, words.find(' '));
    const std::string line = number + "\t" + times + "\t" + operation + "\t" + below + "\n";
    Trace(line);
    if (die_at_ == number || die_at_ == words || die_at_ == of_kind) {
      unsynced.Lose(lose_);
      Trace("died\t" + line);
      ::kill(::getpid(), SIGKILL);
      while (true) {
        ::pause();  // with the lock: nobody else gets to do anything
      }
    }
    return ::fnmatch(ignore_sync_.c_str(), words.c_str(), 0) == 0;
  }

  std::mutex mutex;
  Unsynced unsynced;  // guarded by mutex

 private:
  Shim()
      : directory_(Environment("FRESHET_SHIM_DIR")),
        trace_(Environment("FRESHET_SHIM_TRACE")),
        lose_(Environment("FRESHET_SHIM_LOSE")),
        ignore_sync_(Environment("FRESHET_SHIM_IGNORE_SYNC")) {
    unsynced.set_lost_folder(directory_ + ".lost");
    const bool died = !trace_.empty() && Stat(trace_).has_value() &&
                      Contents(trace_).find("died\t") != std::string::npos;
    die_at_ = died ? "" : Environment("FRESHET_SHIM_DIE_AT");
  }

  // "TIMES OPERATION PATH" of the time that begins now.
  std::string TimesDone(const std::string& operation, const std::string& path) {
    const std::string what = operation + " " + path;
    return std::to_string(++times_[what]) + " " + what;
  }

  // With N for each number.
  static std::string KindOf(const std::string& path) {
    std::string kind;
    for (const char c : path) {
      const bool digit = c >= '0' && c <= '9';
      if (!digit) {
        kind += c;
      } else if (kind.empty() || kind.back() != 'N') {
        kind += 'N';
      }
    }
    return kind;
  }

  std::string Below(const std::string& path) const {
    if (path == directory_) {
      return ".";
    }
    return Watches(path) ? path.substr(directory_.size() + 1) : "..";
  }

  void Trace(const std::string& line) const {
    if (trace_.empty()) {
      return;
    }
    const int fd = RawOpen(trace_, O_WRONLY | O_CREAT | O_APPEND, 0644);
    RawWrite(fd, line);
    Call(SYS_close, fd);
  }

  const std::string directory_;
  const std::string trace_;
  const std::string lose_;
  const std::string ignore_sync_;
  std::string die_at_;  // empty: never
  // Guarded by mutex:
  size_t count_ = 0;
  std::map<std::string, size_t> times_;
};

// The length of one operation.
class Operation {
 public:
  Operation() : lock_(Shim::Get().mutex) { inside = true; }

  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;

  ~Operation() { inside = false; }

 private:
  const std::lock_guard<std::mutex> lock_;
};

// Whether a path is ours to watch; its normal form is in `*full` then.
bool Watched(int directory, const char* path, std::string* full) {
  if (inside || path == nullptr) {
    return false;
  }
  *full = PathAt(directory, path);
  return Shim::Get().Watches(*full);
}

bool WatchedFile(int fd, std::string* full) {
  if (inside) {
    return false;
  }
  const int saved = errno;
  *full = PathOf(fd);
  errno = saved;
  return Shim::Get().Watches(*full);
}

// ---- the operations

int Open(int directory, const char* path, int flags, mode_t mode) {
  std::string full;
  const bool changes = (flags & (O_CREAT | O_TRUNC)) != 0;
  if (!changes || !Watched(directory, path, &full)) {
    return Call(SYS_openat, directory, path, flags, mode);
  }
  const Operation operation;
  Shim& shim = Shim::Get();
  const auto info = Stat(full);
  const bool makes = !info.has_value();
  if (!makes && ((flags & O_TRUNC) == 0 || info->st_size == 0)) {
    return Call(SYS_openat, directory, path, flags, mode);
  }
  shim.Count(makes ? "create" : "truncate", full);
  if (!makes) {
    const int fd = RawOpen(full, O_WRONLY);
    shim.unsynced.Changing(fd);
    Call(SYS_close, fd);
  }
  const int fd = Call(SYS_openat, directory, path, flags, mode);
  if (makes && fd >= 0) {
    shim.unsynced.Made(full);
  }
  return fd;
}

// `write` writes to the file.
template <typename Write>
auto ChangeFile(const char* name, int fd, const Write& write) {
  std::string full;
  if (!WatchedFile(fd, &full)) {
    return write();
  }
  const Operation operation;
  Shim::Get().Count(name, full);
  Shim::Get().unsynced.Changing(fd);
  return write();
}

int Sync(int fd, long number) {
  if (inside) {
    return Call(number, fd);
  }
  const std::string full = PathOf(fd);
  Shim& shim = Shim::Get();
  if (!shim.WatchesSyncOf(full)) {
    return Call(number, fd);
  }
  const Operation operation;
  const bool directory = IsDirectory(full);
  if (shim.Count(directory ? "sync_directory" : "sync", full)) {
    return 0;
  }
  const int result = Call(number, fd);
  if (result == 0 && directory) {
    shim.unsynced.SyncedDirectory(full);
  } else if (result == 0) {
    shim.unsynced.SyncedFile(fd);
  }
  return result;
}

int Rename(int from_directory, const char* from, int to_directory, const char* to) {
  std::string full_from;
  std::string full_to;
  const bool from_is_ours = Watched(from_directory, from, &full_from);
  const bool to_is_ours = Watched(to_directory, to, &full_to);
  if (!from_is_ours && !to_is_ours) {
    return Call(SYS_renameat2, from_directory, from, to_directory, to, 0);
  }
  const Operation operation;
  if (!Stat(full_from).has_value()) {
    errno = ENOENT;
    return -1;
  }
  if (from_is_ours != to_is_ours || IsDirectory(full_from)) {
    Refuse("not modelled: rename " + full_from + " to " + full_to);
  }
  Shim::Get().Count("rename", full_to);
  Shim::Get().unsynced.Renaming(full_from, full_to);
  return RawRename(full_from, full_to);
}

int Unlink(int directory, const char* path, int flags) {
  std::string full;
  if (!Watched(directory, path, &full)) {
    return Call(SYS_unlinkat, directory, path, flags);
  }
  const Operation operation;
  Shim& shim = Shim::Get();
  const bool wants_directory = (flags & AT_REMOVEDIR) != 0;
  if (!Stat(full).has_value() || IsDirectory(full) != wants_directory) {
    return Call(SYS_unlinkat, directory, path, flags);  // fails
  }
  if (wants_directory) {
    shim.Count("remove_directory", full);
    const int result = Call(SYS_unlinkat, directory, path, flags);
    if (result == 0) {
      shim.unsynced.RemovedDirectory(full);
    }
    return result;
  }
  shim.Count("remove", full);
  shim.unsynced.Remove(full);
  return 0;
}

int MakeDirectory(int directory, const char* path, mode_t mode) {
  std::string full;
  if (!Watched(directory, path, &full)) {
    return Call(SYS_mkdirat, directory, path, mode);
  }
  const Operation operation;
  if (Stat(full).has_value()) {
    errno = EEXIST;
    return -1;
  }
  Shim::Get().Count("make_directory", full);
  const int result = Call(SYS_mkdirat, directory, path, mode);
  if (result == 0) {
    Shim::Get().unsynced.Made(full);
  }
  return result;
}

void RefuseWatched(const char* name, const char* path) {
  std::string full;
  if (Watched(AT_FDCWD, path, &full)) {
    Refuse(std::string("not modelled: ") + name + " " + full);
  }
}

mode_t ModeArgument(int flags, va_list arguments) {
  return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
}

}  // namespace
}  // namespace freshet::shim

// ---- the functions of libc that are interposed

namespace shim = freshet::shim;

extern "C" {

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = shim::ModeArgument(flags, arguments);
  va_end(arguments);
  return shim::Open(AT_FDCWD, path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = shim::ModeArgument(flags, arguments);
  va_end(arguments);
  return shim::Open(AT_FDCWD, path, flags, mode);
}

int openat(int directory, const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = shim::ModeArgument(flags, arguments);
  va_end(arguments);
  return shim::Open(directory, path, flags, mode);
}

int openat64(int directory, const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = shim::ModeArgument(flags, arguments);
  va_end(arguments);
  return shim::Open(directory, path, flags, mode);
}

int creat(const char* path, mode_t mode) {
  return shim::Open(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

int creat64(const char* path, mode_t mode) {
  return shim::Open(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

FILE* fopen(const char* path, const char* mode) {
  if (mode[0] != 'r' || std::strchr(mode, '+') != nullptr) {
    shim::RefuseWatched("fopen", path);
  }
  static const auto next = reinterpret_cast<decltype(&fopen)>(::dlsym(RTLD_NEXT, "fopen"));
  return next(path, mode);
}

FILE* fopen64(const char* path, const char* mode) {
  return fopen(path, mode);
}

ssize_t write(int fd, const void* bytes, size_t size) {
  return shim::ChangeFile(
      "write", fd, [&] { return shim::Call<ssize_t>(SYS_write, fd, bytes, size); });
}

ssize_t pwrite(int fd, const void* bytes, size_t size, off_t offset) {
  return shim::ChangeFile(
      "write", fd, [&] { return shim::Call<ssize_t>(SYS_pwrite64, fd, bytes, size, offset); });
}

ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t offset) {
  return pwrite(fd, bytes, size, offset);
}

ssize_t writev(int fd, const iovec* pieces, int count) {
  return shim::ChangeFile(
      "write", fd, [&] { return shim::Call<ssize_t>(SYS_writev, fd, pieces, count); });
}

ssize_t pwritev(int fd, const iovec* pieces, int count, off_t offset) {
  return shim::ChangeFile(
      "write", fd, [&] { return shim::Call<ssize_t>(SYS_pwritev, fd, pieces, count, offset, 0L); });
}

ssize_t pwritev64(int fd, const iovec* pieces, int count, off64_t offset) {
  return pwritev(fd, pieces, count, offset);
}

int ftruncate(int fd, off_t length) noexcept {
  return shim::ChangeFile("truncate", fd, [&] { return shim::Call(SYS_ftruncate, fd, length); });
}

int ftruncate64(int fd, off64_t length) noexcept {
  return ftruncate(fd, length);
}

int fsync(int fd) {
  return shim::Sync(fd, SYS_fsync);
}

int fdatasync(int fd) {
  return shim::Sync(fd, SYS_fdatasync);
}

int rename(const char* from, const char* to) noexcept {
  return shim::Rename(AT_FDCWD, from, AT_FDCWD, to);
}

int renameat(int from_directory, const char* from, int to_directory, const char* to) noexcept {
  return shim::Rename(from_directory, from, to_directory, to);
}

int unlink(const char* path) noexcept {
  return shim::Unlink(AT_FDCWD, path, 0);
}

int unlinkat(int directory, const char* path, int flags) noexcept {
  return shim::Unlink(directory, path, flags);
}

int rmdir(const char* path) noexcept {
  return shim::Unlink(AT_FDCWD, path, AT_REMOVEDIR);
}

int remove(const char* path) noexcept {
  const int result = shim::Unlink(AT_FDCWD, path, 0);
  return result != 0 && errno == EISDIR ? shim::Unlink(AT_FDCWD, path, AT_REMOVEDIR) : result;
}

int mkdir(const char* path, mode_t mode) noexcept {
  return shim::MakeDirectory(AT_FDCWD, path, mode);
}

int mkdirat(int directory, const char* path, mode_t mode) noexcept {
  return shim::MakeDirectory(directory, path, mode);
}

int truncate(const char* path, off_t length) noexcept {
  shim::RefuseWatched("truncate", path);
  return shim::Call(SYS_truncate, path, length);
}

int link(const char* from, const char* to) noexcept {
  shim::RefuseWatched("link", to);
  return shim::Call(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int symlink(const char* target, const char* path) noexcept {
  shim::RefuseWatched("symlink", path);
  return shim::Call(SYS_symlinkat, target, AT_FDCWD, path);
}

}  // extern "C"
