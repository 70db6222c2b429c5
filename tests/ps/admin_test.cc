// What people do to the rows of servers: delete, evict all, explain.
#include <algorithm>
#include <catch2/catch.hpp>
#include <vector>

#include "tests/ps/cluster.h"
#include "tests/ps/models.h"

namespace freshet::ps {
namespace {

using test::Batch;
using test::Cluster;
using test::KeyOf;
using test::Run;
using test::SmallModel;

// Rows of "weights" live for 5 steps after their last push; nobody looks at them on the way.
proto::ModelSpec ModelWithRule() {
  proto::ModelSpec model = SmallModel();
  proto::FeaturePolicy& policy = *model.mutable_embedding_variables(0)->mutable_policy();
  policy.mutable_rules()->mutable_eviction()->set_steps_to_live(5);
  policy.set_evict_every_steps(1'000'000);
  return model;
}

// Keys 0 to 9 pushed at step 1, keys 5 to 19 at step 10.
struct Pushed {
  explicit Pushed(uint32_t servers) : cluster({.servers = servers, .owner_threads = 2}) {
    cluster.Restore(1, 0);
    cluster.Declare(1, ModelWithRule());
    Push(1, 0, 10, 1);
    Push(2, 5, 20, 10);
    cluster.CutVersion(1, 1, ModelWithRule());
  }

  void Push(uint64_t sequence, uint64_t begin, uint64_t end, uint64_t step) {
    for (uint32_t server = 0; server < cluster.shape().servers; ++server) {
      Run run;
      for (uint64_t i = begin; i < end; ++i) {
        if (cluster.ServerOf(KeyOf(i)) == server) {
          run.keys.push_back(KeyOf(i));
        }
      }
      run.gradients.assign(run.keys.size() * 3, 1.0F);
      REQUIRE(cluster.client(server)
                  .Push({.sequence = sequence, .stream_step = step}, Batch{.runs = {run}})
                  .ok());
    }
  }

  Cluster cluster;
};

TEST_CASE("all rows that a rule evicts are counted, and taken away, at once", "[ps]") {
  Pushed pushed(2);
  Cluster& cluster = pushed.cluster;
  for (const bool dry_run : {true, false}) {
    uint64_t rows = 0;
    uint64_t bytes = 0;
    for (uint32_t server = 0; server < 2; ++server) {
      const auto evicted = cluster.client(server).Evict(1, "weights", dry_run);
      REQUIRE(evicted.ok());
      REQUIRE(evicted->variables_size() == 1);
      CHECK(evicted->variables(0).variable() == "weights");
      for (const proto::RuleEvictions& rule : evicted->variables(0).rules()) {
        CHECK(rule.rule() == "steps_to_live");
        rows += rule.rows();
        bytes += rule.bytes();
      }
    }
    CHECK(rows == 5);
    // Key, 3 floats of value and of adagrad's state, frequency and last update, life.
    CHECK(bytes == 5 * (8 + 3 * 4 + 3 * 4 + 8 + 16));
    CHECK(cluster.server(0).rows() + cluster.server(1).rows() == (dry_run ? 20 : 15));
  }
  cluster.CutVersion(1, 2, ModelWithRule());
  CHECK(cluster.Read(2).rows.size() == 15);
  CHECK(cluster.Restore(2, 2) == 15);
}

TEST_CASE("without a name all variables are judged, and those without a rule lose nothing",
          "[ps]") {
  Pushed pushed(1);
  const auto evicted = pushed.cluster.client().Evict(1, "", false);
  REQUIRE(evicted.ok());
  REQUIRE(evicted->variables_size() == 2);
  CHECK(evicted->variables(0).rules(0).rows() == 5);
  CHECK(evicted->variables(1).variable() == "ledger");
  CHECK(evicted->variables(1).rules_size() == 0);
  CHECK(pushed.cluster.client().Evict(1, "", false)->variables(0).rules_size() == 0);
}

TEST_CASE("a key is explained by the server and thread that have it", "[ps]") {
  Pushed pushed(2);
  Cluster& cluster = pushed.cluster;
  const Key key = KeyOf(7);
  const uint32_t owner = cluster.ServerOf(key);
  const auto row = cluster.client(owner).Explain(1, "weights", key);
  REQUIRE(row.ok());
  CHECK(row->lines(0) == "row in memory: frequency 2, last update 0 (event time, Unix seconds)");
  CHECK(row->lines(row->lines_size() - 1) == "it stays, and is served");
  const Key unknown = KeyOf(1000);
  const auto none = cluster.client(cluster.ServerOf(unknown)).Explain(1, "weights", unknown);
  REQUIRE(none.ok());
  CHECK(none->lines(0) == "no row");
  const Status foreign = cluster.client(1 - owner).Explain(1, "weights", key).status();
  CHECK(absl::IsInvalidArgument(foreign));
}

TEST_CASE("what cannot be done to rows is refused with a reason", "[ps]") {
  Cluster cluster({});
  CHECK(absl::IsAborted(cluster.client().Explain(1, "weights", 1).status()));
  cluster.Restore(1, 0);
  const std::string no_model = "no model is declared in epoch 1 yet";
  CHECK(MessageOf(cluster.client().Evict(1, "", true).status()) == no_model);
  CHECK(MessageOf(cluster.client().Explain(1, "weights", 1).status()) == no_model);
  CHECK(MessageOf(cluster.client().Delete(1, "weights", {1}).status()) == no_model);
  cluster.Declare(1, SmallModel());
  CHECK(absl::IsInvalidArgument(cluster.client().Evict(1, "weight", true).status()));
  CHECK(absl::IsInvalidArgument(cluster.client().Explain(1, "weight", 1).status()));
  CHECK(absl::IsAborted(cluster.client().Evict(2, "", true).status()));
}

}  // namespace
}  // namespace freshet::ps
