#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "common/check.h"
#include "tests/common/version_log/crash_file_system.h"

namespace freshet::fuzz {

// A program that writes lines to a log, and what rotates it. It knows what was written, and what of
// that a receiver cannot be expected to get.
class RotatedLog {
 public:
  static constexpr char kFolder[] = "var";

  // In the order in which they were begun.
  struct File {
    std::string path;  // empty: it is gone
    std::string text = {};
    int64_t modified_ns = 0;
    std::chrono::nanoseconds rotated_at{0};
  };

  enum class Names {
    kNumbers,  // the newest is .1
    kDates,    // each has its own, which grows
  };

  explicit RotatedLog(Names names) : names_(names) {
    FRESHET_CHECK(disk.CreateDirectories(kFolder).ok());
  }

  static std::string path() { return std::string(kFolder) + "/clicks.log"; }

  bool has_log() const { return !files.empty() && files.back().path == path(); }

  // A piece of a line, or the end of the one that is unfinished. No two lines are alike.
  void Write(size_t bytes, bool ends) {
    Create();
    AppendTo(files.back(), bytes, ends);
  }

  void AppendTo(File& file, size_t bytes, bool ends) {
    std::string text = file.text.empty() || file.text.back() == '\n'
                           ? "L" + std::to_string(++lines_) + ":"
                           : std::string();
    text += std::string(bytes, static_cast<char>('a' + lines_ % 26)) + (ends ? "\n" : "");
    file.text += text;
    file.modified_ns = disk.now_ns;
    disk.Append(file.path, text);
  }

  void Rotate(std::chrono::nanoseconds now) {
    if (!has_log()) {
      return;
    }
    File& log = files.back();
    for (const File& file : files) {
      if (file.modified_ns > log.modified_ns) {
        Write(1, true);  // rotated files are told apart by when they were written
        break;
      }
    }
    std::string to = path() + ".1";
    if (names_ == Names::kDates) {
      to = path() + "-" + std::to_string(100'000 + ++rotations_);
    } else {
      MakeRoom(1);
    }
    Move(log, to);
    log.rotated_at = now;
  }

  // As a program does that opens its log at once.
  void Create() {
    if (!has_log()) {
      files.push_back({.path = path(), .modified_ns = disk.now_ns});
      disk.Append(path(), "");
    }
  }

  void Remove(File& file) {
    FRESHET_CHECK(disk.RemoveAll(file.path).ok());
    FRESHET_CHECK(disk.SyncDirectory(kFolder).ok());  // so that the inode is free
    file.path.clear();
  }

  // The file that takes its place is as old.
  void Compress(File& file, const char* suffix) {
    const std::string compressed = file.path + suffix;
    Remove(file);
    const int64_t now_ns = std::exchange(disk.now_ns, file.modified_ns);
    disk.Append(compressed, "\x1f\x8b\nno line\n");
    disk.now_ns = now_ns;
  }

  void Cut(size_t bytes) {
    File& file = files.back();
    file.text.resize(std::min(bytes, file.text.size()));
    disk.Bytes(file.path) = file.text;
    disk.Append(file.path, "");
    file.modified_ns = disk.now_ns;
  }

  // Its lines. What stands behind the last line end is one once nobody writes to the file.
  static std::vector<std::string> LinesOf(const File& file) {
    std::vector<std::string> lines;
    for (size_t begin = 0; begin < file.text.size();) {
      const size_t end = std::min(file.text.find('\n', begin), file.text.size());
      lines.push_back(file.text.substr(begin, end - begin));
      begin = end + 1;
    }
    return lines;
  }

  test::CrashFileSystem disk;
  std::vector<File> files;

 private:
  void MakeRoom(unsigned number) {
    const std::string from = path() + "." + std::to_string(number);
    for (File& file : files) {
      if (file.path == from) {
        MakeRoom(number + 1);
        Move(file, path() + "." + std::to_string(number + 1));
      }
    }
  }

  void Move(File& file, const std::string& to) {
    FRESHET_CHECK(disk.Rename(file.path, to).ok());
    file.path = to;
  }

  const Names names_;
  unsigned lines_ = 0;
  unsigned rotations_ = 0;
};

}  // namespace freshet::fuzz
