#pragma once
#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "common/env/clock.h"
#include "common/env/file_system.h"
#include "worker/receive/spool.h"

namespace freshet::worker::test {

// A folder that is there as long as this.
class Folder {
 public:
  Folder() {
    std::random_device random;
    path_ = std::filesystem::temp_directory_path() / fmt::format("freshet-receive-{}", random());
    std::filesystem::create_directories(path_);
  }

  ~Folder() { std::filesystem::remove_all(path_); }

  std::string operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

inline void AppendTo(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::app | std::ios::binary) << text;
}

inline std::string ContentOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Names of the segments that hold something, in order.
inline std::vector<std::string> SegmentsOf(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    const std::string name = entry.path().filename();
    if (name[0] != '.' && name[0] != '_' && entry.file_size() > 0) {
      names.push_back(name);
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

// What the segments hold, one after the other.
inline std::string AllReceived(const std::string& directory) {
  std::string text;
  for (const std::string& name : SegmentsOf(directory)) {
    text += ContentOf(directory + "/" + name);
  }
  return text;
}

inline std::unique_ptr<Spool> OpenSpool(const SpoolOptions& options,
                                        FileSystem& files = LocalFileSystem(),
                                        Clock& clock = SystemClock()) {
  auto spool = Spool::Open(files, clock, options);
  INFO(spool.status());
  REQUIRE(spool.ok());
  return *std::move(spool);
}

inline void PutAndWrite(Spool& spool, Received received) {
  spool.Put(std::move(received));
  const Status status = spool.Write();
  INFO(status);
  REQUIRE(status.ok());
}

}  // namespace freshet::worker::test
