// What only the epoch keeps away. A message of a session before the last rewind comes late, from a
// worker or a coordinator that was stopped, or from the network. Sequences of pushes begin anew in
// each session, so the late one may be just the one that comes next; and other messages have no
// sequence at all. So nothing but its epoch tells that it is not of today.
//
// scripts/torture --mutants plants servers that do not look at it (ps_..._old_epochs): then tests
// of this file must fail.
#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <cstring>
#include <future>
#include <memory>
#include <thread>
#include <vector>

#include "common/cluster/limits.h"
#include "ps/owner_thread.h"
#include "tests/ps/cluster.h"
#include "tests/ps/models.h"

namespace freshet::ps {
namespace {

using test::Batch;
using test::Cluster;
using test::KeyOf;
using test::Run;

constexpr uint32_t kLedger = 1;  // in SmallModel
constexpr uint64_t kOld = 1;     // the epoch that is over
constexpr uint64_t kNew = 2;     // that of today
constexpr uint64_t kFirst = 1;   // the version that the cluster has gone back to

using Entry = std::array<uint64_t, 2>;  // count and sum of ids

Key TheKey() {
  return KeyOf(1);
}

Batch One(uint64_t id) {
  const Entry added = {1, id};
  std::vector<float> gradient(4);
  std::memcpy(gradient.data(), added.data(), sizeof(added));
  return {.runs = {Run{.variable = kLedger, .keys = {TheKey()}, .gradients = gradient}}};
}

// Two epochs: what push 1 of the first one brought is in version 1, what push 2 brought was undone
// by the second one, which goes on from there.
class Rewound {
 public:
  explicit Rewound(const test::ClusterShape& shape = {.owner_threads = 2}) : cluster_(shape) {
    cluster_.Restore(kOld, 0);
    cluster_.Declare(kOld, test::SmallModel());
    Push(kOld, 1, 5);
    cluster_.CutVersion(kOld, kFirst, test::SmallModel());
    Push(kOld, 2, 7);
    cluster_.Restore(kNew, kFirst);
    REQUIRE(Ledger() == Entry{shape.workers, 5 * shape.workers});
  }

  Cluster& cluster() { return cluster_; }

  test::Client& client() { return cluster_.client(); }

  // A push of each worker, as in bsp a step needs.
  void Push(uint64_t epoch, uint64_t sequence, uint64_t id) {
    std::vector<Status> statuses(cluster_.shape().workers);
    std::vector<std::thread> senders;
    for (uint32_t worker = 0; worker < statuses.size(); ++worker) {
      senders.emplace_back([&, worker] {
        test::Client sender(cluster_.transport(), cluster_.address(0));
        statuses[worker] = sender.Push(
            {.epoch = epoch, .worker = worker, .sequence = sequence, .step = sequence}, One(id));
      });
    }
    for (std::thread& sender : senders) {
      sender.join();
    }
    for (const Status& status : statuses) {
      INFO(status.ToString());
      REQUIRE(status.ok());
    }
  }

  Entry Ledger() {
    const auto floats = cluster_.client().Pull({.epoch = kNew}, {.runs = One(0).runs});
    REQUIRE(floats.ok());
    Entry entry;
    std::memcpy(entry.data(), floats->data(), sizeof(entry));
    return entry;
  }

 private:
  Cluster cluster_;
};

TEST_CASE("a push of an old epoch is refused, also if its sequence is the next one",
          "[ps][old_epoch]") {
  Rewound rewound;
  for (uint64_t sequence = 1; sequence <= kMaxPushesInFlight; ++sequence) {
    CHECK(absl::IsAborted(
        rewound.client().Push({.epoch = kOld, .sequence = sequence, .step = sequence}, One(7))));
  }
  CHECK(rewound.Ledger() == Entry{1, 5});
  // Those of today are not taken for repetitions of it.
  rewound.Push(kNew, 1, 11);
  rewound.Push(kNew, 2, 13);
  CHECK(rewound.Ledger() == Entry{3, 29});
}

TEST_CASE("a push of an old epoch without rows takes no sequence away", "[ps][old_epoch]") {
  Rewound rewound;
  CHECK(absl::IsAborted(rewound.client().Push({.epoch = kOld, .sequence = 1, .step = 1}, {})));
  rewound.Push(kNew, 1, 11);
  CHECK(rewound.Ledger() == Entry{2, 16});
}

TEST_CASE("a push of an old epoch does not make a step of bsp whole", "[ps][old_epoch]") {
  Rewound rewound({.workers = 2, .bsp = true});
  CHECK(absl::IsAborted(
      rewound.client().Push({.epoch = kOld, .worker = 1, .sequence = 1, .step = 1}, One(7))));
  rewound.Push(kNew, 1, 11);
  const auto floats = rewound.client().Pull({.epoch = kNew, .step = 2}, {.runs = {One(0).runs}});
  REQUIRE(floats.ok());
  Entry entry;
  std::memcpy(entry.data(), floats->data(), sizeof(entry));
  CHECK(entry == Entry{4, 32});
}

TEST_CASE("a worker of an old epoch reads and announces nothing", "[ps][old_epoch]") {
  Rewound rewound;
  CHECK(absl::IsAborted(rewound.client().Pull({.epoch = kOld}, {.runs = One(0).runs}).status()));
  CHECK(absl::IsAborted(rewound.client().Announce({.epoch = kOld}, {.runs = One(0).runs})));
}

TEST_CASE("a model declared in an old epoch is not that of today", "[ps][old_epoch]") {
  Cluster cluster({});
  cluster.Restore(kOld, 0);
  cluster.Restore(kNew, 0);
  proto::ModelSpec other;
  *other.add_embedding_variables() = test::EmbeddingOf("ledger", 4, test::LedgerOf());
  CHECK(absl::IsAborted(cluster.client().Declare(kOld, test::SmallModel())));
  CHECK(cluster.client().Declare(kNew, other).ok());
}

TEST_CASE("what a coordinator of an old epoch has deleted or judged stays", "[ps][old_epoch]") {
  Rewound rewound;
  CHECK(absl::IsAborted(rewound.client().Delete(kOld, "ledger", {TheKey()}).status()));
  CHECK(absl::IsAborted(rewound.client().Evict(kOld, "", false).status()));
  CHECK(absl::IsAborted(rewound.client().Explain(kOld, "ledger", TheKey()).status()));
  CHECK(rewound.Ledger() == Entry{1, 5});
}

TEST_CASE("a cut of an old epoch does not begin", "[ps][old_epoch]") {
  Rewound rewound;
  rewound.Push(kNew, 1, 11);
  CHECK(absl::IsAborted(rewound.client().Cut(kOld, 2).status()));
  // Nor is it in the way of one of today, or has taken its rows.
  rewound.cluster().CutVersion(kNew, 3, test::SmallModel());
  Entry entry;
  const std::vector<float> row = rewound.cluster().Read(3).rows.at({"ledger", TheKey()});
  std::memcpy(entry.data(), row.data(), sizeof(entry));
  CHECK(entry == Entry{2, 16});
}

TEST_CASE("a coordinator of an old epoch neither writes nor ends the cut of today",
          "[ps][old_epoch]") {
  Rewound rewound;
  rewound.Push(kNew, 1, 11);
  REQUIRE(rewound.cluster().log().Prepare(VersionId(2)).ok());
  REQUIRE(rewound.client().Cut(kNew, 2).ok());
  CHECK(absl::IsAborted(rewound.client().WriteCut(kOld, 2).status()));
  REQUIRE(rewound.client().WriteCut(kNew, 2).ok());
  CHECK(absl::IsAborted(rewound.client().EndCut(kOld, 2, true)));
  CHECK(absl::IsAborted(rewound.client().EndCut(kOld, 2, false)));
  // It is given up: what changed is in the next one.
  REQUIRE(rewound.client().EndCut(kNew, 2, false).ok());
  const auto next = rewound.client().Cut(kNew, 3);
  REQUIRE(next.ok());
  CHECK(next->rows() == 1);
}

TEST_CASE("a restore of an old epoch, or of the same, does not begin", "[ps][old_epoch]") {
  Rewound rewound;
  rewound.Push(kNew, 1, 11);
  for (const uint64_t epoch : {kOld, kNew}) {
    CHECK(absl::IsAborted(
        rewound.client().Restore(rewound.cluster().RestoreRequest(epoch, 0)).status()));
  }
  CHECK(rewound.Ledger() == Entry{2, 16});
}

// A request that has found its session, and is overtaken by a restore on its way to the owner
// threads.
TEST_CASE("work that was found fit in an old epoch is not done in the next one",
          "[ps][old_epoch]") {
  OwnerThreads owners;
  for (uint32_t thread = 0; thread < 2; ++thread) {
    owners.push_back(std::make_unique<OwnerThread>(thread));
  }
  const Ownership ownership(PartitionMap(kDefaultPartitionCount, 1), 0, 2);
  REQUIRE(RunOnAllAndWait(owners, [&](Shard& shard) {
            shard.Clear(Epoch(kNew), ownership);
            return absl::OkStatus();
          }).ok());
  std::atomic<int> done = 0;
  std::promise<Status> answer;
  FanOutToAll(
      owners,
      Epoch(kOld),
      [&done](Shard&, size_t) {
        ++done;
        return absl::OkStatus();
      },
      [&answer](const Status& status) { answer.set_value(status); });
  CHECK(absl::IsAborted(answer.get_future().get()));
  CHECK(done == 0);
}

}  // namespace
}  // namespace freshet::ps
