#include "common/env/file_system.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

namespace freshet {
namespace {

Status ErrnoStatus(const char* act, const std::string& path, int error) {
  const std::string message = fmt::format("{} {}: {}", act, path, std::strerror(error));
  switch (error) {
    case ENOENT:
      return MakeStatus(absl::StatusCode::kNotFound, message);
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
      return MakeStatus(absl::StatusCode::kResourceExhausted, message);
    default:
      return MakeStatus(absl::StatusCode::kFailedPrecondition, message);
  }
}

// Owns a file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}

  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  ~Descriptor() { ::close(fd_); }

  int get() const { return fd_; }

 private:
  const int fd_;
};

class LocalWritableFile final : public WritableFile {
 public:
  LocalWritableFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  Status Append(std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const ssize_t written =
          ::write(fd_.get(), bytes.data(), std::min(bytes.size(), kWritebackBytes));
      if (written < 0) {
        if (errno == EINTR) {
          continue;
        }
        return ErrnoStatus("write", path_, errno);
      }
      bytes = bytes.subspan(static_cast<size_t>(written));
      end_ += written;
      if (end_ - writing_from_ >= static_cast<int64_t>(kWritebackBytes)) {
        StartWriteback();
      }
    }
    return absl::OkStatus();
  }

  Status Sync() override {
    return ::fdatasync(fd_.get()) == 0 ? absl::OkStatus() : ErrnoStatus("sync", path_, errno);
  }

 private:
  static constexpr size_t kWritebackBytes = size_t{4} << 20U;

  // The disk begins with what was written while more is, and Sync has less left to wait for. A
  // hint: where it cannot be done, Sync does it all.
  void StartWriteback() {
    ::sync_file_range(fd_.get(), writing_from_, end_ - writing_from_, SYNC_FILE_RANGE_WRITE);
    writing_from_ = end_;
  }

  const Descriptor fd_;
  const std::string path_;
  int64_t end_ = 0;           // bytes appended
  int64_t writing_from_ = 0;  // those before were given to the disk
};

class LocalReadableFile final : public ReadableFile {
 public:
  LocalReadableFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  StatusOr<size_t> ReadAt(uint64_t offset, std::span<std::byte> into) const override {
    size_t done = 0;
    while (done < into.size()) {
      const ssize_t got = ::pread(
          fd_.get(), into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
      if (got < 0) {
        if (errno == EINTR) {
          continue;
        }
        return ErrnoStatus("read", path_, errno);
      }
      if (got == 0) {
        break;
      }
      done += static_cast<size_t>(got);
    }
    return done;
  }

 private:
  const Descriptor fd_;
  const std::string path_;
};

class PosixFileSystem final : public FileSystem {
 public:
  StatusOr<std::unique_ptr<WritableFile>> OpenWritable(const std::string& path) override {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) {
      return ErrnoStatus("create", path, errno);
    }
    return std::make_unique<LocalWritableFile>(fd, path);
  }

  StatusOr<std::unique_ptr<ReadableFile>> OpenReadable(const std::string& path) override {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
      return ErrnoStatus("open", path, errno);
    }
    return std::make_unique<LocalReadableFile>(fd, path);
  }

  StatusOr<FileInfo> Stat(const std::string& path) override {
    struct stat info {};

    if (::stat(path.c_str(), &info) != 0) {
      return ErrnoStatus("stat", path, errno);
    }
    return FileInfo{.bytes = static_cast<uint64_t>(info.st_size),
                    .inode = info.st_ino,
                    .is_directory = S_ISDIR(info.st_mode),
                    .modified_ns = info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec};
  }

  StatusOr<std::vector<std::string>> List(const std::string& directory) override {
    std::error_code error;
    std::vector<std::string> names;
    std::filesystem::directory_iterator entry(directory, error);
    for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
      names.push_back(entry->path().filename().string());
    }
    if (error) {
      return ErrnoStatus("list", directory, error.value());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  Status CreateDirectories(const std::string& directory) override {
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    return error ? ErrnoStatus("create directory", directory, error.value()) : absl::OkStatus();
  }

  Status Rename(const std::string& from, const std::string& to) override {
    return ::rename(from.c_str(), to.c_str()) == 0 ? absl::OkStatus()
                                                   : ErrnoStatus("rename", from, errno);
  }

  Status RemoveAll(const std::string& path) override {
    std::error_code error;
    std::filesystem::remove_all(path, error);
    return error ? ErrnoStatus("remove", path, error.value()) : absl::OkStatus();
  }

  Status SyncFile(const std::string& path) override { return OpenAndSync(path, 0); }

  Status SyncDirectory(const std::string& directory) override {
    return OpenAndSync(directory, O_DIRECTORY);
  }

 private:
  static Status OpenAndSync(const std::string& path, int flags) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | flags);
    if (fd < 0) {
      return ErrnoStatus("open", path, errno);
    }
    const Descriptor descriptor(fd);
    return ::fsync(fd) == 0 ? absl::OkStatus() : ErrnoStatus("sync", path, errno);
  }
};

}  // namespace

FileSystem& LocalFileSystem() {
  static PosixFileSystem files;
  return files;
}

StatusOr<std::string> ReadFile(FileSystem& files, const std::string& path, uint64_t max_bytes) {
  // Opened first: of a file that is replaced meanwhile by a longer one, not a part is taken for it.
  FRESHET_ASSIGN_OR_RETURN(const auto file, files.OpenReadable(path));
  FRESHET_ASSIGN_OR_RETURN(const FileInfo info, files.Stat(path));
  if (info.is_directory) {
    return FailedPrecondition("{} is a directory, not a file", path);
  }
  if (info.bytes > max_bytes) {
    return ResourceExhausted("{} has {} bytes, at most {} are read", path, info.bytes, max_bytes);
  }
  std::string content(info.bytes, '\0');
  FRESHET_ASSIGN_OR_RETURN(const size_t got,
                           file->ReadAt(0, std::as_writable_bytes(std::span(content))));
  content.resize(got);
  return content;
}

Status CreateDirectoriesDurably(FileSystem& files, const std::string& directory) {
  std::vector<std::string> parents;
  for (std::filesystem::path path = directory; path.has_relative_path();
       path = path.parent_path()) {
    const auto info = files.Stat(path.string());
    if (!absl::IsNotFound(info.status())) {
      FRESHET_RETURN_IF_ERROR(info.status());
      break;
    }
    const std::string parent = path.parent_path().string();
    parents.push_back(parent.empty() ? "." : parent);
  }
  FRESHET_RETURN_IF_ERROR(files.CreateDirectories(directory));
  for (const std::string& parent : parents) {
    FRESHET_RETURN_IF_ERROR(files.SyncDirectory(parent));
  }
  return absl::OkStatus();
}

Status WriteFileAtomically(FileSystem& files, const std::string& path, const std::string& content) {
  const std::string beside = path + ".tmp";
  {
    FRESHET_ASSIGN_OR_RETURN(const auto file, files.OpenWritable(beside));
    FRESHET_RETURN_IF_ERROR(file->Append(std::as_bytes(std::span(content))));
    FRESHET_RETURN_IF_ERROR(file->Sync());
  }
  FRESHET_RETURN_IF_ERROR(files.Rename(beside, path));
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return files.SyncDirectory(parent.empty() ? "." : parent);
}

}  // namespace freshet
