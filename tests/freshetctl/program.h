#pragma once
#include <catch2/catch.hpp>
#include <chrono>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "common/env/env.h"
#include "common/version_log/version_log.h"
#include "freshetctl/command_line.h"
#include "tests/common/version_log/contents.h"
#include "tests/common/version_log/manifests.h"

namespace freshet::test {

// Time stands still, but for sleeping, which takes none.
class StoppedClock final : public Clock {
 public:
  std::chrono::nanoseconds Monotonic() const override { return now_; }

  int64_t UnixMillis() const override {
    return 1'700'000'060'123 + std::chrono::duration_cast<std::chrono::milliseconds>(now_).count();
  }

  void SleepFor(std::chrono::nanoseconds duration) override { now_ += duration; }

 private:
  std::chrono::nanoseconds now_{0};
};

// freshetctl inside the test, with an empty directory and a network of its own.
class Program {
 public:
  // The exit code; what was printed is in out and err.
  int Run(const std::vector<std::string>& arguments) {
    std::ostringstream out_stream;
    std::ostringstream err_stream;
    const Env env{clock, SystemRandom(), *files, *transport};
    const int exit_code = freshetctl::Run(
        arguments,
        {.env = env, .in = in, .out = out_stream, .err = err_stream, .terminal = terminal});
    out = out_stream.str();
    err = err_stream.str();
    return exit_code;
  }

  std::string Path(const std::string& name) const { return directory.path() + "/" + name; }

  TemporaryDirectory directory;
  StoppedClock clock;
  FileSystem* files = &LocalFileSystem();
  std::unique_ptr<rpc::Transport> transport = rpc::MakeInProcessTransport();
  bool terminal = false;
  std::istringstream in;
  std::string out;
  std::string err;
};

// Commits a version with one part; a rollback without.
inline void CommitVersion(const std::string& directory,
                          proto::Manifest manifest,
                          const PartContents& contents) {
  VersionLog log(LocalFileSystem(), directory);
  const VersionId version(manifest.version());
  REQUIRE(log.Prepare(version).ok());
  if (manifest.kind() != proto::Manifest::ROLLBACK) {
    const auto part = WritePart(
        LocalFileSystem(), log.VersionDirectory(version), "part-0-0.safetensors", contents);
    REQUIRE(part.ok());
    *manifest.add_parts() = *part;
  }
  REQUIRE(log.Commit(manifest).ok());
}

inline bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace freshet::test
