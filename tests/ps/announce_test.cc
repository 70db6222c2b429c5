#include <span>
#include <vector>

#include "tests/ps/models.h"
#include "tests/ps/services.h"

namespace freshet::ps {
namespace {

using test::Batch;
using test::Cluster;
using test::KeyOf;
using test::Services;
using test::SmallModel;

Batch SomeKeys(uint64_t count) {
  Batch batch{.runs = {{.variable = 0}, {.variable = 1}}};
  for (uint64_t i = 0; i < count; ++i) {
    batch.runs[i % 2].keys.push_back(KeyOf(i));
  }
  return batch;
}

TEST_CASE("an announcement is answered before it is carried out, and makes no row", "[ps]") {
  PsOptions options;
  options.owner_threads = 2;
  Services services(SmallModel(), options);
  std::promise<void> first = services.HoldUp(0);
  std::promise<void> second = services.HoldUp(1);
  CHECK(services.client().Announce({}, SomeKeys(20)).ok());
  CHECK(services.client().Announce({}, {}).ok());
  CHECK(services.metrics().announced_keys.Value() == 20);
  first.set_value();
  second.set_value();
  const auto stats = services.client().Stats();
  REQUIRE(stats.ok());
  CHECK(stats->variables(0).rows() + stats->variables(1).rows() == 0);
}

TEST_CASE("announcements beyond the bound are dropped and counted, not refused", "[ps]") {
  PsOptions options;
  options.max_announcements_in_flight = 3;
  Services services(SmallModel(), options);
  std::promise<void> release = services.HoldUp(0);
  for (int i = 0; i < 5; ++i) {
    CHECK(services.client().Announce({}, SomeKeys(2)).ok());
  }
  CHECK(services.metrics().announced_keys.Value() == 6);
  CHECK(services.metrics().dropped_announcements.Value() == 2);
  release.set_value();
  services.Flush(0);
  for (int i = 0; i < 3; ++i) {
    CHECK(services.client().Announce({}, SomeKeys(2)).ok());
    services.Flush(0);
  }
  CHECK(services.metrics().announced_keys.Value() == 12);
  CHECK(services.metrics().dropped_announcements.Value() == 2);
}

TEST_CASE("an announcement that is wrong is refused", "[ps]") {
  Cluster cluster({.servers = 2});
  CHECK(absl::IsAborted(cluster.client().Announce({}, SomeKeys(2))));
  cluster.Restore(1, 0);
  CHECK(absl::IsFailedPrecondition(cluster.client().Announce({}, SomeKeys(2))));
  cluster.Declare(1, SmallModel());
  Batch own{.runs = {{}}};
  Batch foreign{.runs = {{}}};
  for (uint64_t i = 0; own.runs[0].keys.empty() || foreign.runs[0].keys.empty(); ++i) {
    Batch& batch = cluster.ServerOf(KeyOf(i)) == 0 ? own : foreign;
    batch.runs[0].keys = {KeyOf(i)};
  }
  CHECK(cluster.client().Announce({}, own).ok());
  CHECK(absl::IsAborted(cluster.client().Announce({.epoch = 2}, own)));
  CHECK(absl::IsInvalidArgument(cluster.client().Announce({}, foreign)));
  own.runs[0].variable = 2;
  CHECK(absl::IsInvalidArgument(cluster.client().Announce({}, own)));
  own.runs[0].variable = 0;
  rpc::Message message = test::AnnounceMessage({}, own);
  const std::vector<Key> one_too_many = {own.runs[0].keys[0], 0};
  message.body = Buffer::CopyOf(std::as_bytes(std::span(one_too_many)));
  const auto answer = cluster.client().channel().CallAndWait(
      rpc::Method::kAnnounce, std::move(message), std::chrono::seconds(60));
  CHECK(absl::IsInvalidArgument(answer.status()));
  CHECK(MessageOf(answer.status()) ==
        "the payload of the announcement has 16 bytes, its runs say 8");
}

}  // namespace
}  // namespace freshet::ps
