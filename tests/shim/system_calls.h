#pragma once
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

// What the shim does to files itself: system calls, which nobody has interposed.
namespace freshet::shim {

template <typename Result = int, typename... Arguments>
Result Call(long number, Arguments... arguments) {
  return static_cast<Result>(::syscall(number, arguments...));
}

inline int RawOpen(const std::string& path, int flags, mode_t mode = 0) {
  return Call(SYS_openat, AT_FDCWD, path.c_str(), flags | O_CLOEXEC, mode);
}

inline int RawRename(const std::string& from, const std::string& to) {
  return Call(SYS_renameat2, AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), 0);
}

inline void RawWrite(int fd, std::string_view text) {
  while (!text.empty()) {
    const auto written = Call<ssize_t>(SYS_write, fd, text.data(), text.size());
    if (written <= 0) {
      return;
    }
    text.remove_prefix(static_cast<size_t>(written));
  }
}

[[noreturn]] inline void Refuse(const std::string& what) {
  RawWrite(STDERR_FILENO, "crash_shim: " + what + "\n");
  std::abort();
}

inline std::string PathOf(int fd) {
  char path[4096];
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const auto length = Call<ssize_t>(SYS_readlinkat, AT_FDCWD, link.c_str(), path, sizeof(path));
  return length < 0 ? "" : std::string(path, static_cast<size_t>(length));
}

inline std::string PathAt(int directory, const char* path) {
  std::filesystem::path full(path);
  if (full.is_relative()) {
    full = (directory == AT_FDCWD ? std::filesystem::current_path()
                                  : std::filesystem::path(PathOf(directory))) /
           full;
  }
  std::string normal = full.lexically_normal().string();
  while (normal.size() > 1 && normal.ends_with('/')) {
    normal.pop_back();
  }
  return normal;
}

inline std::string ParentOf(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

inline std::optional<struct stat> Stat(const std::string& path) {
  struct stat info {};

  if (::lstat(path.c_str(), &info) != 0) {
    return std::nullopt;
  }
  return info;
}

inline bool IsDirectory(const std::string& path) {
  const auto info = Stat(path);
  return info.has_value() && S_ISDIR(info->st_mode);
}

inline std::string Contents(const std::string& path) {
  std::string contents;
  const int fd = RawOpen(path, O_RDONLY);
  char piece[65536];
  for (ssize_t got = 0; (got = Call<ssize_t>(SYS_read, fd, piece, sizeof(piece))) > 0;) {
    contents.append(piece, static_cast<size_t>(got));
  }
  Call(SYS_close, fd);
  return contents;
}

}  // namespace freshet::shim
