// Old versions go, and what happens is told: with fake members and a real log.
#include "coordinator/housekeeper.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "coordinator/hooks.h"
#include "tests/coordinator/fake_cluster.h"

namespace freshet::coordinator {
namespace {

template <typename Response, typename Request>
Response Ask(FakeCluster& cluster, rpc::Method method, const Request& request) {
  const auto channel = cluster.transport->Connect(FakeCluster::kAddress);
  return rpc::CallAndWait<Response>(*channel, method, request, std::chrono::seconds(60)).value();
}

std::vector<uint64_t> Collect(FakeCluster& cluster, bool dry_run) {
  proto::CollectRequest request;
  request.set_dry_run(dry_run);
  const auto response = Ask<proto::CollectResponse>(cluster, rpc::Method::kCollect, request);
  return {response.versions().begin(), response.versions().end()};
}

TEST_CASE("versions that no rule keeps are removed, and training and rollback go on",
          "[coordinator]") {
  FakeCluster cluster;
  cluster.options.base_every = 3;
  cluster.options.retention = {.keep_versions = 2, .keep_for_ms = 0};
  cluster.StartAll();
  for (uint64_t version = 1; version <= 8; ++version) {  // bases: 1, 3, 5, 7
    cluster.Train(5);
    REQUIRE(cluster.CutNow().value() == version);
    if (version > 1 && version % 2 == 1) {
      cluster.AwaitCompacted(version);
    }
  }
  REQUIRE(cluster.log().Pin(VersionId(2), "").ok());
  CHECK(Collect(cluster, true) == std::vector<uint64_t>{6, 5, 4, 3});
  CHECK(cluster.Versions().size() == 8);
  CHECK(Collect(cluster, false) == std::vector<uint64_t>{6, 5, 4, 3});
  CHECK(cluster.Versions() == std::vector<uint64_t>{1, 2, 7, 8});
  CHECK(Collect(cluster, false).empty());
  for (const uint64_t version : cluster.Versions()) {
    CHECK(cluster.log().Verify(VersionId(version)).ok());
  }
  // What is gone cannot be gone back to; what is kept can.
  CHECK(absl::IsNotFound(cluster.Rollback(5).status()));
  REQUIRE(cluster.Rollback(2).value() == 9);
  CHECK(cluster.Counted() == 20);
  cluster.Train(5);
  REQUIRE(cluster.CutNow().value() == 10);
  // Of today's line everything is needed, of the other one nothing.
  CHECK(Collect(cluster, false) == std::vector<uint64_t>{8, 7});
  REQUIRE(cluster.log().Unpin(VersionId(2)).ok());
  CHECK(Collect(cluster, false).empty());
  CHECK(cluster.log().Verify(VersionId(10)).ok());
}

TEST_CASE("what happens can be asked for, by kind and from an event on", "[coordinator]") {
  FakeCluster cluster(1, 1, 1);
  cluster.options.watermark_every = std::chrono::milliseconds(1);
  cluster.StartAll();
  cluster.Train(5);
  REQUIRE(cluster.CutNow().value() == 1);
  REQUIRE(cluster.Rollback(1).value() == 2);
  proto::EventsRequest request;
  const auto all = Ask<proto::EventsResponse>(cluster, rpc::Method::kEvents, request);
  REQUIRE(all.events_size() >= 4);
  CHECK(all.newest() >= all.events().rbegin()->id());
  request.add_kinds("version_committed");
  request.add_kinds("rolled_back");
  const auto some = Ask<proto::EventsResponse>(cluster, rpc::Method::kEvents, request);
  REQUIRE(some.events_size() == 2);
  CHECK(some.events(0).kind() == "version_committed");
  CHECK(some.events(0).version() == 1);
  CHECK(some.events(1).kind() == "rolled_back");
  CHECK(some.events(1).version() == 2);
  request.set_after(some.events(0).id());
  CHECK(Ask<proto::EventsResponse>(cluster, rpc::Method::kEvents, request).events_size() == 1);

  const auto get = [&](const std::string& path, const std::string& query) {
    return cluster.coordinator->Answer({.method = "GET", .path = path, .query = query, .body = ""});
  };
  CHECK(get("/events.json", "kind=rolled_back").body.find("\"version\":\"2\"") !=
        std::string::npos);
  CHECK(get("/events", "kind=rolled_back&limit=1").body.find("rolled_back version=2") !=
        std::string::npos);
  CHECK(get("/events", "limit=x").status == 400);
  const auto unknown = get("/events", "kind=rolled_bock");
  CHECK(unknown.status == 400);
  CHECK(unknown.body.find("no event is of kind 'rolled_bock'; did you mean 'rolled_back'?") !=
        std::string::npos);
  request.add_kinds("rolled_bock");
  const auto channel = cluster.transport->Connect(FakeCluster::kAddress);
  const auto asked = rpc::CallAndWait<proto::EventsResponse>(
      *channel, rpc::Method::kEvents, request, std::chrono::seconds(60));
  CHECK(absl::IsInvalidArgument(asked.status()));
}

std::string FileText(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST_CASE("a hook is told of its events in order, again until it succeeds", "[coordinator]") {
  FakeCluster cluster;
  const std::string told = cluster.folder.path() + "/told";
  // Fails at the first try of each event.
  cluster.options.hooks = {
      {.on = {"version_committed", "rolled_back"},
       .command = "f=" + told +
                  "; test -e $f.$FRESHET_EVENT_ID || { touch $f.$FRESHET_EVENT_ID; exit 3; }; "
                  "echo $FRESHET_EVENT $FRESHET_VERSION >> $f"}};
  cluster.StartAll();
  cluster.Train(5);
  REQUIRE(cluster.CutNow().value() == 1);
  REQUIRE(cluster.Rollback(1).value() == 2);
  const std::string expected = "version_committed 1\nrolled_back 2\n";
  for (int i = 0; i < 2000 && FileText(told) != expected; ++i) {
    SystemClock().SleepFor(std::chrono::milliseconds(5));
  }
  CHECK(FileText(told) == expected);
}

TEST_CASE("a command gets its input, and its end is told", "[coordinator]") {
  using std::chrono::milliseconds;
  const TempFolder folder;
  const std::string file = folder.path() + "/input";
  CHECK(RunCommand("cat > " + file + "; echo $A >> " + file, {"A=b c"}, "{}\n", milliseconds(5000))
            .ok());
  CHECK(FileText(file) == "{}\nb c\n");
  CHECK(MessageOf(RunCommand("exit 7", {}, "", milliseconds(5000))).find("code 7") !=
        std::string::npos);
  CHECK(MessageOf(RunCommand("kill -TERM $$", {}, "", milliseconds(5000))).find("signal 15") !=
        std::string::npos);
  // With all that it has started.
  CHECK(MessageOf(RunCommand("sleep 100 & sleep 100", {}, "", milliseconds(50))).find("killed") !=
        std::string::npos);
}

}  // namespace
}  // namespace freshet::coordinator
