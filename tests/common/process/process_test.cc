#include "common/process/process.h"

#include <rapidjson/document.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "tests/common/process/role_process.h"

namespace freshet {
namespace {

using Catch::Contains;

// Stands for a role: listens nowhere.
class IdleRole final : public RunningRole {
 public:
  std::string rpc_address() const override { return "127.0.0.1:4711"; }

  std::string http_address() const override { return "127.0.0.1:4712"; }
};

StatusOr<std::unique_ptr<RunningRole>> StartIdle(const RoleContext& /*context*/) {
  return std::make_unique<IdleRole>();
}

// A folder with a cluster file for two servers.
class ClusterFolder {
 public:
  explicit ClusterFolder(const std::string& log_section = "") {
    std::string path = (std::filesystem::temp_directory_path() / "freshet-process-XXXXXX").string();
    REQUIRE(::mkdtemp(path.data()) != nullptr);
    path_ = path;
    const std::string text =
        "cluster: {run_dir: run, log_dir: log}\nps: {count: 2}\nworker: {job: job.yaml}\n" +
        log_section;
    REQUIRE(WriteFileAtomically(LocalFileSystem(), config(), text).ok());
  }

  ClusterFolder(const ClusterFolder&) = delete;
  ClusterFolder& operator=(const ClusterFolder&) = delete;

  ~ClusterFolder() { std::filesystem::remove_all(path_); }

  std::string config() const { return path_ + "/cluster.yaml"; }

  std::string run_dir() const { return path_ + "/run"; }

 private:
  std::string path_;
};

ProcessAddress WaitForAddress(const ClusterFolder& folder, const std::string& name) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (std::chrono::steady_clock::now() < end) {
    const auto address = ReadProcessAddress(LocalFileSystem(), folder.run_dir(), name);
    if (address.ok()) {
      return *address;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  FAIL(name << " did not announce itself");
  return {};
}

TEST_CASE("a role announces its address and stops cleanly when told to", "[process]") {
  const int signal = GENERATE(SIGTERM, SIGINT);
  const ClusterFolder folder;
  RoleProcess process({"--config", folder.config(), "--rank", "1"}, StartIdle);
  const ProcessAddress address = WaitForAddress(folder, "ps-1");
  CHECK(address.rpc == "127.0.0.1:4711");
  CHECK(address.http == "127.0.0.1:4712");
  CHECK(address.build == BuildVersion());
  process.Signal(signal);
  CHECK(process.Wait() == kExitOk);
  CHECK_THAT(process.output(), Contains("stopped"));
}

TEST_CASE("a signal that comes while a role starts is not lost", "[process]") {
  const ClusterFolder folder;
  RoleProcess process({"--config", folder.config()}, [](const RoleContext& context) {
    ::raise(SIGTERM);
    return StartIdle(context);
  });
  CHECK(process.Wait() == kExitOk);
}

TEST_CASE("wrong flags exit with 64", "[process]") {
  const ClusterFolder folder;
  SECTION("no config") {
    RoleProcess process({}, StartIdle);
    CHECK(process.Wait() == kExitUsage);
    CHECK_THAT(process.output(), Contains("--config"));
  }
  SECTION("a flag that there is not") {
    RoleProcess process({"--config", folder.config(), "--rnak", "0"}, StartIdle);
    CHECK(process.Wait() == kExitUsage);
    CHECK_THAT(process.output(), Contains("--rnak"));
  }
  SECTION("a rank beyond the cluster's processes") {
    RoleProcess process({"--config", folder.config(), "--rank", "2"}, StartIdle);
    CHECK(process.Wait() == kExitUsage);
    CHECK_THAT(process.output(), Contains("has 2 ps process(es)"));
  }
}

TEST_CASE("a wrong config file exits with 78 and is named", "[process]") {
  const ClusterFolder folder("log: {levle: info}\n");
  RoleProcess process({"--config", folder.config()}, StartIdle);
  CHECK(process.Wait() == kExitConfig);
  CHECK_THAT(process.output(), Contains("cluster.yaml") && Contains("levle"));
}

TEST_CASE("a role that cannot start exits with 1, or 78 if its config is why", "[process]") {
  const ClusterFolder folder;
  SECTION("the world") {
    RoleProcess process({"--config", folder.config()}, [](const RoleContext&) {
      return StatusOr<std::unique_ptr<RunningRole>>(Unavailable("port 9 is taken"));
    });
    CHECK(process.Wait() == kExitFailure);
    CHECK_THAT(process.output(), Contains("port 9 is taken"));
  }
  SECTION("its config") {
    RoleProcess process({"--config", folder.config()}, [](const RoleContext&) {
      return StatusOr<std::unique_ptr<RunningRole>>(InvalidArgument("job.yaml:3: no"));
    });
    CHECK(process.Wait() == kExitConfig);
    CHECK_THAT(process.output(), Contains("job.yaml:3: no"));
  }
}

TEST_CASE("--help shows an example and --version the build", "[process]") {
  RoleProcess help({"--help"}, StartIdle);
  CHECK(help.Wait() == kExitOk);
  CHECK_THAT(help.output(), Contains("freshet-ps --config cluster.yaml --rank 0"));
  RoleProcess version({"--version"}, StartIdle);
  CHECK(version.Wait() == kExitOk);
  CHECK(version.output() == std::string("freshet-ps ") + BuildVersion() + "\n");
}

TEST_CASE("with format json each log line is one JSON object", "[process]") {
  const ClusterFolder folder("log: {format: json}\n");
  RoleProcess process({"--config", folder.config()}, [](const RoleContext&) {
    return StatusOr<std::unique_ptr<RunningRole>>(Unavailable("a \"quoted\"\n\\ \x01 text"));
  });
  CHECK(process.Wait() == kExitFailure);
  const std::string& output = process.output();
  REQUIRE(output.find('\n') == output.size() - 1);
  rapidjson::Document line;
  line.Parse(output.c_str());
  REQUIRE_FALSE(line.HasParseError());
  CHECK(line["level"] == "error");
  CHECK(line["process"] == "ps-0");
  CHECK(line["message"] == "cannot start: a \"quoted\"\n\\ \x01 text");
  CHECK(std::string(line["time"].GetString()).size() ==
        std::string("2026-01-01T00:00:00.000Z").size());
}

}  // namespace
}  // namespace freshet
