#include "serving/log_follower.h"

#include <catch2/catch.hpp>
#include <future>
#include <random>
#include <tuple>

#include "common/job/job_config.h"
#include "common/version_log/compaction.h"
#include "tests/common/forwarding_files.h"
#include "tests/serving/node.h"

namespace freshet::serving::test {
namespace {

// Whether what is served is exactly these rows and this bias.
void CheckServes(const Node& node, const Rows& rows, float bias) {
  const ModelStore::ReadGuard snapshot = node.store.Acquire();
  const RowTable& table = snapshot->weights().table(0);
  CHECK(table.size() == rows.size());
  CHECK(snapshot->weights().dense(0)[0] == bias);
  for (const auto& [key, values] : rows) {
    const auto row = table.Find(key);
    REQUIRE(std::vector<float>(row.begin(), row.end()) == values);
  }
}

// The rows of `over` laid over those of `rows`.
Rows Overlay(Rows rows, const Rows& over) {
  for (const auto& [key, values] : over) {
    rows[key] = values;
  }
  return rows;
}

Rows OneRow(const std::string& slot, const std::string& value, float number) {
  return {{KeyOf(slot, value), std::vector<float>(1 + kFactors, number)}};
}

// Fails to open part files for want of descriptors, while told to.
class ExhaustedFiles final : public freshet::test::ForwardingFiles {
 public:
  bool exhausted = false;

  StatusOr<std::unique_ptr<ReadableFile>> OpenReadable(const std::string& path) override {
    if (exhausted && path.ends_with(".safetensors")) {
      return ResourceExhausted("open {}: too many open files", path);
    }
    return ForwardingFiles::OpenReadable(path);
  }
};

}  // namespace

TEST_CASE("a log without a version serves nothing, and says why", "[serving]") {
  const TestLog log;
  Node node(log);
  node.follower.Poll();
  CHECK(node.version() == 0);
  CHECK(node.follower.problem() == "the log " + log.directory() + " has no version yet");
}

TEST_CASE("bases and deltas are served as they come", "[serving]") {
  TestLog log;
  Node node(log);
  Rows rows = RandomRows(1);
  log.Base(rows, 0.25F);
  node.follower.Poll();
  CHECK(node.version() == 1);
  CheckServes(node, rows, 0.25F);

  const Rows changed = Overlay(OneRow("movie", "1", 7.0F), OneRow("movie", "new", 8.0F));
  const Key gone = KeyOf("movie", "2");
  log.Delta(changed, 0.5F, {gone, KeyOf("movie", "never was")});
  node.follower.Poll();
  CHECK(node.version() == 2);
  rows = Overlay(rows, changed);
  rows.erase(gone);
  CheckServes(node, rows, 0.5F);

  // A key that was deleted and came back within one delta.
  const Rows back = OneRow("movie", "2", 9.0F);
  log.Delta(back, 0.5F, {gone});
  log.Delta({}, 0.75F);
  node.follower.Poll();
  CHECK(node.version() == 4);
  rows = Overlay(rows, back);
  CheckServes(node, rows, 0.75F);

  const Rows fresh = RandomRows(2);
  log.Base(fresh, 1.0F);
  node.follower.Poll();
  CHECK(node.version() == 5);
  CheckServes(node, fresh, 1.0F);
  CHECK(node.follower.problem().empty());
  CHECK(node.metrics.applied_deltas.Value() == 3);
  CHECK(node.metrics.applied_loads.Value() == 2);
}

TEST_CASE("values of 16 bits are served as the floats that they are", "[serving]") {
  TestLog log;
  Node node(log);
  Rows rows = OneRow("user", "1", 0.25F);
  log.Base(rows, 0.25F);
  const Rows changed = Overlay(OneRow("movie", "1", 0x1p-24F), OneRow("movie", "2", 65504.0F));
  PartContents part = log.MakePart(changed, {});
  part.embeddings[0].value_type = proto::F16;
  log.DeltaOf(part);
  const Rows brain = OneRow("movie", "3", 0x1.fep100F);
  part = log.MakePart(brain, {});
  part.embeddings[0].value_type = proto::BF16;
  log.DeltaOf(part);
  node.follower.Poll();
  CHECK(node.version() == 3);
  CheckServes(node, Overlay(Overlay(rows, changed), brain), 0.25F);
}

TEST_CASE("rows that are not for serving are not served, by delta or from the base", "[serving]") {
  TestLog log;
  Node node(log);
  const Rows rows = Overlay(OneRow("movie", "1", 1.0F), OneRow("movie", "2", 2.0F));
  log.Base(rows, 0.25F);
  node.follower.Poll();
  PartContents part =
      log.MakePart(Overlay(OneRow("movie", "1", 3.0F), OneRow("movie", "3", 3.0F)), {});
  part.embeddings[0].served = {0, 0};
  log.DeltaOf(part);
  node.follower.Poll();
  CHECK(node.version() == 2);
  CheckServes(node, OneRow("movie", "2", 2.0F), 0.25F);
  Node late(log);
  late.follower.Poll();
  CheckServes(late, OneRow("movie", "2", 2.0F), 0.25F);
  part.embeddings[0].served = {1, 1};
  log.DeltaOf(part);
  node.follower.Poll();
  CheckServes(
      node, Overlay(Overlay(rows, OneRow("movie", "1", 3.0F)), OneRow("movie", "3", 3.0F)), 0.25F);
}

TEST_CASE("a node that starts late loads the base and its deltas", "[serving]") {
  TestLog log;
  const Rows rows = RandomRows(1);
  log.Base({}, 9.0F);
  log.Base(rows, 0.25F);
  log.Delta(OneRow("movie", "1", 7.0F), 0.5F, {KeyOf("movie", "3")});
  Node node(log);
  node.follower.Poll();
  CHECK(node.version() == 3);
  Rows expected = Overlay(rows, OneRow("movie", "1", 7.0F));
  expected.erase(KeyOf("movie", "3"));
  CheckServes(node, expected, 0.5F);
}

TEST_CASE("a log may begin with a delta", "[serving]") {
  TestLog log;
  log.Delta(OneRow("movie", "1", 7.0F), 0.5F);
  Node node(log);
  node.follower.Poll();
  CHECK(node.version() == 1);
  CheckServes(node, OneRow("movie", "1", 7.0F), 0.5F);
}

TEST_CASE("a rollback brings back the rows of its version, under a new number", "[serving]") {
  TestLog log;
  Node node(log);
  const Rows rows = RandomRows(1);
  log.Base(rows, 0.25F);
  log.Delta(OneRow("movie", "1", 7.0F), 0.5F);
  log.Delta(OneRow("movie", "99", 8.0F), 0.75F);
  node.follower.Poll();
  REQUIRE(node.version() == 3);
  log.Rollback(VersionId(2));
  node.follower.Poll();
  CHECK(node.version() == 4);
  CHECK(node.store.Acquire()->facts().restores == VersionId(2));
  CheckServes(node, Overlay(rows, OneRow("movie", "1", 7.0F)), 0.5F);

  // A rollback of a rollback, and a delta upon it.
  log.Rollback(VersionId(1));
  log.Rollback(VersionId(4));
  node.follower.Poll();
  CHECK(node.version() == 6);
  CHECK(node.store.Acquire()->facts().restores == VersionId(2));
  CheckServes(node, Overlay(rows, OneRow("movie", "1", 7.0F)), 0.5F);
  log.Delta(OneRow("movie", "2", 9.0F), 1.0F);
  node.follower.Poll();
  CHECK(node.version() == 7);
  CHECK(node.store.Acquire()->facts().restores == VersionId(0));
  CheckServes(
      node, Overlay(Overlay(rows, OneRow("movie", "1", 7.0F)), OneRow("movie", "2", 9.0F)), 1.0F);
}

TEST_CASE("whatever way a version is reached, its rows are the same", "[serving]") {
  const uint64_t seed = GENERATE(range(uint64_t{1}, uint64_t{21}));
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  TestLog log;
  Node node(log);
  std::vector<std::pair<Rows, float>> versions(1);  // by number
  const auto value = [&] { return fmt::format("{}", random() % 300); };
  for (int step = 0; step < 40; ++step) {
    auto [rows, bias] = versions.back();
    bias += 1.0F;
    const uint64_t draw = random() % 20;
    if (versions.size() == 1 || draw == 0) {
      for (int i = 0; i < 200; ++i) {
        rows = Overlay(std::move(rows), OneRow("movie", value(), bias));
      }
      log.Base(rows, bias);
    } else if (draw < 5) {
      const uint64_t target = 1 + random() % (versions.size() - 1);
      log.Rollback(VersionId(target));
      std::tie(rows, bias) = versions[target];
    } else {
      Rows changed = OneRow("movie", value(), bias);
      changed = Overlay(std::move(changed), OneRow("movie", value(), bias + 0.5F));
      std::vector<Key> gone = {KeyOf("movie", value())};
      rows.erase(gone[0]);
      log.Delta(changed, bias, gone);
      rows = Overlay(std::move(rows), changed);
    }
    versions.emplace_back(rows, bias);
    if (random() % 2 == 0) {
      node.follower.Poll();
      REQUIRE(node.version() == versions.size() - 1);
      CheckServes(node, rows, bias);
    }
  }
  CHECK(node.metrics.applied_patches.Value() > 0);
}

TEST_CASE("a rollback is served by its changed rows, not loaded anew", "[serving]") {
  TestLog log;
  Node node(log);
  const Rows rows = RandomRows(1);
  log.Base(rows, 0.25F);
  log.Delta(OneRow("movie", "1", 7.0F), 0.5F);
  node.follower.Poll();
  REQUIRE(node.metrics.applied_loads.Value() == 1);
  log.Delta(OneRow("movie", "new", 8.0F), 0.75F, {KeyOf("movie", "2")});
  node.follower.Poll();
  log.Rollback(VersionId(2));
  node.follower.Poll();
  CHECK(node.metrics.applied_loads.Value() == 1);
  CHECK(node.metrics.applied_patches.Value() == 1);
  CheckServes(node, Overlay(rows, OneRow("movie", "1", 7.0F)), 0.5F);
}

TEST_CASE("a rollback to what is served changes the number alone", "[serving]") {
  TestLog log;
  Node node(log);
  log.Base(RandomRows(1), 0.25F);
  node.follower.Poll();
  log.Rollback(VersionId(1));
  node.follower.Poll();
  CHECK(node.version() == 2);
  CHECK(node.store.Acquire()->facts().restores == VersionId(1));
  CHECK(node.metrics.applied_loads.Value() == 1);
  CheckServes(node, RandomRows(1), 0.25F);
}

TEST_CASE("a delta that has become a base is served without those before it", "[serving]") {
  TestLog log;
  Node follows(log);
  const Rows rows = RandomRows(1);
  log.Base(rows, 0.25F);
  log.Delta(OneRow("movie", "1", 7.0F), 0.5F);
  follows.follower.Poll();
  log.Delta(OneRow("movie", "99", 8.0F), 0.75F);
  VersionLog versions(LocalFileSystem(), log.directory());
  REQUIRE(Compact(LocalFileSystem(), versions, VersionId(3), [] { return absl::OkStatus(); }).ok());
  log.Remove(VersionId(1));
  log.Remove(VersionId(2));
  log.Delta(OneRow("movie", "2", 9.0F), 1.0F);
  const Rows now =
      Overlay(Overlay(Overlay(rows, OneRow("movie", "1", 7.0F)), OneRow("movie", "99", 8.0F)),
              OneRow("movie", "2", 9.0F));
  Node begins(log);
  begins.follower.Poll();
  CHECK(begins.version() == 4);
  CheckServes(begins, now, 1.0F);
  // Who has seen the versions before goes on by deltas.
  follows.follower.Poll();
  CHECK(follows.version() == 4);
  CHECK(follows.metrics.applied_loads.Value() == 1);
  CheckServes(follows, now, 1.0F);
}

TEST_CASE("a damaged delta is refused by name, and the next base goes on", "[serving]") {
  TestLog log;
  Node node(log);
  const Rows rows = RandomRows(1);
  log.Base(rows, 0.25F);
  node.follower.Poll();
  log.Damage(log.Delta(OneRow("movie", "1", 7.0F), 0.5F));
  node.follower.Poll();
  CHECK(node.version() == 1);
  CheckServes(node, rows, 0.25F);
  CHECK(node.follower.refused_count() == 1);
  CHECK(node.follower.problem().find("000000000002/part-0-0.safetensors") != std::string::npos);
  CHECK(node.follower.problem().find("xxh3") != std::string::npos);

  // Nothing new: not tried again.
  node.follower.Poll();
  CHECK(node.follower.refused_count() == 1);
  // A delta on top of it cannot be had either.
  log.Delta(OneRow("movie", "2", 8.0F), 0.5F);
  node.follower.Poll();
  CHECK(node.version() == 1);
  CHECK(node.follower.refused_count() == 2);
  CHECK(node.follower.refused().at(VersionId(3)).find("000000000002/part-0-0") !=
        std::string::npos);

  log.Base(RandomRows(3), 1.0F);
  node.follower.Poll();
  CHECK(node.version() == 4);
  CheckServes(node, RandomRows(3), 1.0F);
  CHECK(node.follower.problem().empty());
  CHECK(node.follower.refused_count() == 2);
}

TEST_CASE("a rollback before a damaged version is followed", "[serving]") {
  TestLog log;
  Node node(log);
  log.Base(RandomRows(1), 0.25F);
  node.follower.Poll();
  log.Damage(log.Delta(OneRow("movie", "1", 7.0F), 0.5F));
  node.follower.Poll();
  REQUIRE(node.version() == 1);
  log.Rollback(VersionId(1));
  log.Delta(OneRow("movie", "2", 8.0F), 0.75F);
  node.follower.Poll();
  CHECK(node.version() == 4);
  CheckServes(node, Overlay(RandomRows(1), OneRow("movie", "2", 8.0F)), 0.75F);
}

TEST_CASE("what was damaged is read again when there is something new", "[serving]") {
  TestLog log;
  Node node(log);
  log.Base(RandomRows(1), 0.25F);
  const VersionId damaged = log.Delta(OneRow("movie", "1", 7.0F), 0.5F);
  log.Damage(damaged);
  node.follower.Poll();
  REQUIRE(node.version() == 1);
  log.Repair(damaged);
  node.follower.Poll();
  CHECK(node.version() == 1);
  log.Delta({}, 0.75F);
  node.follower.Poll();
  CHECK(node.version() == 3);
  CheckServes(node, Overlay(RandomRows(1), OneRow("movie", "1", 7.0F)), 0.75F);
}

TEST_CASE("a node that starts on a damaged log serves the newest whole version", "[serving]") {
  TestLog log;
  log.Base(RandomRows(1), 0.25F);
  log.Delta(OneRow("movie", "1", 7.0F), 0.5F);
  const VersionId damaged = log.Delta(OneRow("movie", "1", 8.0F), 0.5F);
  log.Delta(OneRow("movie", "1", 9.0F), 0.5F);
  log.Damage(damaged);
  Node node(log);
  node.follower.Poll();
  CHECK(node.version() == 2);
  CheckServes(node, Overlay(RandomRows(1), OneRow("movie", "1", 7.0F)), 0.5F);
  CHECK(node.follower.refused_count() == 2);

  TestLog hopeless;
  hopeless.Damage(hopeless.Base(RandomRows(1), 0.25F));
  Node waiting(hopeless);
  waiting.follower.Poll();
  CHECK(waiting.version() == 0);
  CHECK(waiting.follower.refused_count() == 1);
}

TEST_CASE("a chain with a gap is refused until a base closes it", "[serving]") {
  TestLog log;
  Node node(log);
  log.Base(RandomRows(1), 0.25F);
  node.follower.Poll();
  const VersionId lost = log.Delta(OneRow("movie", "1", 7.0F), 0.5F);
  log.Delta(OneRow("movie", "2", 8.0F), 0.5F);
  log.Remove(lost);
  node.follower.Poll();
  CHECK(node.version() == 1);
  CHECK(node.follower.problem().find("needs version 2") != std::string::npos);
  log.Base(RandomRows(2), 0.5F);
  node.follower.Poll();
  CHECK(node.version() == 4);
}

TEST_CASE("a passing error is no verdict on a version: it is tried again", "[serving]") {
  TestLog log;
  ExhaustedFiles files;
  Node node(log, files);
  log.Base(RandomRows(1), 0.25F);
  files.exhausted = true;
  node.follower.Poll();
  CHECK(node.version() == 0);
  CHECK(node.follower.refused_count() == 0);
  CHECK(node.follower.problem().find("too many open files") != std::string::npos);
  files.exhausted = false;
  node.follower.Poll();  // not at once
  CHECK(node.version() == 0);
  node.clock.SleepFor(std::chrono::seconds(2));
  node.follower.Poll();
  CHECK(node.version() == 1);
  CHECK(node.follower.problem().empty());
}

TEST_CASE("a base of another model is served, a delta of one is refused", "[serving]") {
  TestLog log;
  Node node(log);
  node.LoadCatalogue(log);
  log.Base(RandomRows(1), 0.25F);
  node.follower.Poll();
  log.SetModel(SmallModel("lr"));
  log.Delta({}, 0.5F);
  node.follower.Poll();
  CHECK(node.version() == 1);
  CHECK(node.follower.problem().find("another model") != std::string::npos);
  log.Base(RandomRows(1, 1), 0.5F);
  node.follower.Poll();
  CHECK(node.version() == 3);
  CHECK(node.store.Acquire()->schema()->model().kind() == "lr");
  CHECK(node.store.Acquire()->index().dim() == 0);
  CHECK(node.store.Acquire()->index().size() == 30);
}

TEST_CASE("the follower never goes back to a smaller number", "[serving]") {
  TestLog log;
  Node node(log);
  log.Base(RandomRows(1), 0.25F);
  const VersionId newest = log.Base(RandomRows(2), 0.5F);
  node.follower.Poll();
  log.Remove(newest);
  node.follower.Poll();
  CHECK(node.version() == 2);
  CHECK(node.follower.problem().find("start serving again") != std::string::npos);
}

TEST_CASE("a follower on its thread serves what it is told of", "[serving]") {
  TestLog log;
  std::promise<void> first;
  std::promise<void> second;
  int served = 0;
  Metrics registry;
  ServingMetrics metrics(registry);
  ModelStore store;
  LogFollower follower(LocalFileSystem(), SystemClock(), log.directory(), store, metrics, [&] {
    (++served == 1 ? first : second).set_value();
  });
  log.Base(RandomRows(1), 0.25F);
  follower.Start(std::chrono::hours(1));  // it looks once, then waits for a notice
  first.get_future().wait();
  log.Delta(OneRow("movie", "1", 7.0F), 0.5F);
  follower.Notify();
  second.get_future().wait();
  follower.Stop();
  CHECK(store.Acquire()->facts().version == VersionId(2));
}

TEST_CASE("versions that the gate rejected are passed over until one passes", "[serving]") {
  TestLog log;
  Node node(log);
  Rows rows = RandomRows(1);
  log.Base(rows, 0.25F);
  node.follower.Poll();
  CHECK(node.version() == 1);
  log.SetVerdict(proto::GateState::REJECTED);
  log.Delta(OneRow("user", "u", 7.0F), 0.5F);
  log.Delta(OneRow("user", "v", 8.0F), 0.75F);
  node.follower.Poll();
  CHECK(node.version() == 1);
  CheckServes(node, rows, 0.25F);
  CHECK(node.follower.problem() == "the gate holds back the versions after 1");
  CHECK(node.follower.refused_count() == 0);
  // A node that starts now takes the last one that passed.
  Node late(log);
  late.follower.Poll();
  CHECK(late.version() == 1);
  // The next one that passes brings the rows of those in between.
  log.SetVerdict(proto::GateState::PASSED);
  log.Delta(OneRow("user", "w", 9.0F), 1.0F);
  for (Node* each : {&node, &late}) {
    each->follower.Poll();
    CHECK(each->version() == 4);
    Rows all = Overlay(rows, OneRow("user", "u", 7.0F));
    all = Overlay(all, OneRow("user", "v", 8.0F));
    CheckServes(*each, Overlay(all, OneRow("user", "w", 9.0F)), 1.0F);
    CHECK(each->follower.problem().empty());
  }
}

}  // namespace freshet::serving::test
