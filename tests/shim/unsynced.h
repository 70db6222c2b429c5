#pragma once
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "tests/shim/system_calls.h"

// What a power cut would lose: changes of files and of names that no sync has covered yet.
namespace freshet::shim {

// A change of a name that no sync of its directory has covered.
struct NameChange {
  enum Kind { kMade, kRenamed, kRemoved, kRemovedDirectory };

  Kind kind = kMade;
  std::string path;   // in the directory whose sync makes it durable
  std::string from;   // of kRenamed
  std::string aside;  // the file that `path` named before; empty if none
};

// A file that was changed since its last sync.
struct DirtyFile {
  int fd = -1;         // keeps the file reachable, whatever its name
  std::string synced;  // its bytes as of the last sync
};

class Unsynced {
 public:
  void Made(const std::string& path) {
    names_.push_back({.kind = NameChange::kMade, .path = path, .from = "", .aside = ""});
  }

  // Before `to` is replaced.
  void Renaming(const std::string& from, const std::string& to) {
    names_.push_back(
        {.kind = NameChange::kRenamed, .path = to, .from = from, .aside = PutAside(to)});
  }

  // In place of removing the file.
  void Remove(const std::string& path) {
    names_.push_back(
        {.kind = NameChange::kRemoved, .path = path, .from = "", .aside = PutAside(path)});
  }

  void RemovedDirectory(const std::string& path) {
    names_.push_back(
        {.kind = NameChange::kRemovedDirectory, .path = path, .from = "", .aside = ""});
  }

  // Before the bytes of an open file change.
  void Changing(int fd) {
    const auto id = IdOf(fd);
    if (!files_.contains(id)) {
      const std::string link = "/proc/self/fd/" + std::to_string(fd);
      // Opened anew: a duplicate would share its lock and could not be written if this one cannot.
      files_[id] = {.fd = RawOpen(link, O_RDWR), .synced = Contents(link)};
    }
  }

  void SyncedFile(int fd) {
    const auto found = files_.find(IdOf(fd));
    if (found != files_.end()) {
      Call(SYS_close, found->second.fd);
      files_.erase(found);
    }
  }

  void SyncedDirectory(const std::string& directory) {
    for (size_t i = 0; i < names_.size(); ++i) {
      if (ParentOf(names_[i].path) != directory) {
        continue;
      }
      if (names_[i].kind == NameChange::kRemovedDirectory) {
        const std::string gone = names_[i].path + "/";
        for (size_t before = 0; before < i; ++before) {
          if (names_[before].path.starts_with(gone)) {
            Forget(before);
          }
        }
      }
      Forget(i);
    }
    std::erase_if(names_, [](const NameChange& change) { return change.path.empty(); });
  }

  void Lose(const std::string& what) {
    if (what == "all" || what == "bytes" || what == "zeros") {
      LoseBytes(what == "zeros");
    }
    for (auto change = names_.rbegin(); change != names_.rend(); ++change) {
      if (what == "all" || what == NameOf(change->kind)) {
        Undo(*change);
      }
    }
  }

  void set_lost_folder(std::string folder) { lost_folder_ = std::move(folder); }

 private:
  static std::pair<dev_t, ino_t> IdOf(int fd) {
    struct stat info {};

    ::fstat(fd, &info);
    return {info.st_dev, info.st_ino};
  }

  std::string PutAside(const std::string& path) {
    if (!Stat(path).has_value()) {
      return "";
    }
    Call(SYS_mkdirat, AT_FDCWD, lost_folder_.c_str(), 0755);
    std::string aside = lost_folder_ + "/" + std::to_string(next_aside_++);
    if (RawRename(path, aside) != 0) {
      Refuse("cannot move " + path + " to " + aside + ": " + std::strerror(errno));
    }
    return aside;
  }

  // Durable: nothing brings it back any more.
  void Forget(size_t i) {
    if (!names_[i].aside.empty()) {
      Call(SYS_unlinkat, AT_FDCWD, names_[i].aside.c_str(), 0);
    }
    names_[i].path.clear();
  }

  void LoseBytes(bool zeros) {
    for (const auto& [id, file] : files_) {
      struct stat info {};

      ::fstat(file.fd, &info);
      Call(SYS_ftruncate, file.fd, 0L);
      RawWrite(file.fd, file.synced);
      if (zeros && static_cast<size_t>(info.st_size) > file.synced.size()) {
        Call(SYS_ftruncate, file.fd, info.st_size);
      }
    }
  }

  static std::string_view NameOf(NameChange::Kind kind) {
    switch (kind) {
      case NameChange::kMade:
        return "creations";
      case NameChange::kRenamed:
        return "renames";
      case NameChange::kRemoved:
      case NameChange::kRemovedDirectory:
        return "removals";
    }
    return "";
  }

  // What was renamed and then removed: without the rename, the removal did not happen to it.
  void TakeBackRemoved(const std::string& path, const std::string& as) const {
    for (const NameChange& change : names_) {
      if (change.kind == NameChange::kRemoved && change.path == path) {
        RawRename(change.aside, as);
      }
    }
  }

  void Undo(const NameChange& change) const {
    std::error_code ignored;
    switch (change.kind) {
      case NameChange::kMade:
        std::filesystem::remove_all(change.path, ignored);
        break;
      case NameChange::kRenamed:
        if (RawRename(change.path, change.from) != 0) {
          TakeBackRemoved(change.path, change.from);
        }
        break;
      case NameChange::kRemovedDirectory:
        Call(SYS_mkdirat, AT_FDCWD, change.path.c_str(), 0755);
        break;
      case NameChange::kRemoved:
        break;
    }
    if (!change.aside.empty()) {
      RawRename(change.aside, change.path);
    }
  }

  std::string lost_folder_;
  size_t next_aside_ = 0;
  std::vector<NameChange> names_;  // in their order
  std::map<std::pair<dev_t, ino_t>, DirtyFile> files_;
};

}  // namespace freshet::shim
