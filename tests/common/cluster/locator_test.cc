#include "common/cluster/locator.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/common/cluster/temp_folder.h"

namespace freshet {
namespace {

TEST_CASE("a written address is read back whole", "[cluster]") {
  const TempFolder folder;
  const std::string run_dir = folder.path() + "/not/yet/there";
  const ProcessAddress written{
      .rpc = "127.0.0.1:4711", .http = "[::1]:80", .pid = 42, .build = "0.1.0 \"odd\" # build"};
  REQUIRE(WriteProcessAddress(LocalFileSystem(), run_dir, "ps-0", written).ok());

  const auto read = ReadProcessAddress(LocalFileSystem(), run_dir, "ps-0");
  REQUIRE(read.ok());
  CHECK(read->rpc == written.rpc);
  CHECK(read->http == written.http);
  CHECK(read->pid == written.pid);
  CHECK(read->build == written.build);
}

TEST_CASE("a process that does not listen yet is not found", "[cluster]") {
  const TempFolder folder;
  const auto read = ReadProcessAddress(LocalFileSystem(), folder.path(), "worker-3");
  CHECK(read.status().code() == absl::StatusCode::kNotFound);
  CHECK(MessageOf(read.status()).find("worker-3.address") != std::string::npos);
}

TEST_CASE("an address file that is none is refused by name", "[cluster]") {
  const TempFolder folder;
  for (const std::string text : {"", "rpc: [", "rpc: a:1\nhttp: b:2\npid: many\nbuild: x\n"}) {
    REQUIRE(WriteFileAtomically(LocalFileSystem(), folder.path() + "/ps-1.address", text).ok());
    const auto read = ReadProcessAddress(LocalFileSystem(), folder.path(), "ps-1");
    CHECK(read.status().code() == absl::StatusCode::kDataLoss);
    CHECK(MessageOf(read.status()).find("ps-1.address") != std::string::npos);
  }
}

TEST_CASE("the coordinator is where its fixed port says, else where it wrote", "[cluster]") {
  const TempFolder folder;
  ClusterConfig config;
  config.run_dir = folder.path();
  config.coordinator.host = "10.0.0.7";
  CHECK(LocateCoordinator(LocalFileSystem(), config).status().code() ==
        absl::StatusCode::kNotFound);

  const ProcessAddress address{.rpc = "127.0.0.1:9", .http = "", .pid = 1, .build = "x"};
  REQUIRE(WriteProcessAddress(LocalFileSystem(), folder.path(), "coordinator", address).ok());
  CHECK(LocateCoordinator(LocalFileSystem(), config).value() == "127.0.0.1:9");

  config.coordinator.port = 7000;
  CHECK(LocateCoordinator(LocalFileSystem(), config).value() == "10.0.0.7:7000");
}

}  // namespace
}  // namespace freshet
