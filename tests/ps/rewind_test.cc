// A server that goes to another version by loading only what may differ has the same rows, and all
// else that counts, as one that loads all of it.
#include <catch2/catch.hpp>
#include <filesystem>
#include <random>
#include <set>

#include "tests/ps/cluster.h"
#include "tests/ps/models.h"

namespace freshet::ps {
namespace {

using test::Batch;
using test::Cluster;
using test::KeyOf;
using test::Run;

constexpr uint64_t kKeys = 600;

// Where rows lie on disk too: the least that a server takes, and more rows than that holds.
constexpr uint64_t kDramBytes = 4U << 20U;
constexpr uint64_t kManyKeys = 40'000;
// A slot whose keys get rows at once, which are not evicted.
constexpr uint32_t kLastingSlot = 1;

enum class Rules { kNone, kExact, kBloom };

proto::ModelSpec ModelWith(Rules rules) {
  proto::ModelSpec model = test::SmallModel();
  model.add_slots()->set_name("fleeting");
  model.add_slots()->set_name("lasting");
  if (rules == Rules::kNone) {
    return model;
  }
  auto* const policy = model.mutable_embedding_variables(0)->mutable_policy();
  proto::Admission* const admission = policy->mutable_rules()->mutable_admission();
  admission->set_filter_freq(3);
  if (rules == Rules::kBloom) {
    admission->set_bloom(true);
    admission->set_max_element_size(2 * kKeys);
    admission->set_false_positive_probability(0.01);
  }
  policy->mutable_rules()->mutable_eviction()->set_steps_to_live(12);
  policy->set_evict_every_steps(8);
  proto::SlotRules& lasting = *policy->add_slots();
  lasting.set_slot(kLastingSlot);
  lasting.mutable_rules()->mutable_admission()->set_filter_freq(1);
  lasting.mutable_rules()->mutable_eviction()->set_steps_to_live(1'000'000);
  return model;
}

// What parts say of keys without a row, and the clocks.
struct Beside {
  std::map<Key, std::pair<uint32_t, uint32_t>> candidates;
  std::map<uint64_t, std::vector<uint8_t>> blocks;
  std::map<std::string, std::set<std::pair<uint64_t, uint64_t>>> clocks;

  friend bool operator==(const Beside&, const Beside&) = default;
};

Beside ReadBeside(Cluster& cluster, uint64_t version) {
  Beside beside;
  const auto apply = [&](const proto::Manifest&, const PartContents& part) {
    for (const EmbeddingRows& rows : part.embeddings) {
      for (size_t i = 0; i < rows.candidates.keys.size(); ++i) {
        beside.candidates[rows.candidates.keys[i]] = {rows.candidates.frequencies[i],
                                                      rows.candidates.last_updates[i]};
      }
      for (size_t i = 0; i < rows.filter.blocks.size(); ++i) {
        const uint8_t* const counters = &rows.filter.counters[i * FilterBlocks::kBlockBytes];
        beside.blocks[rows.filter.blocks[i]].assign(counters, counters + FilterBlocks::kBlockBytes);
      }
      beside.clocks[rows.variable].insert({rows.clock.step, rows.clock.event_time_s});
    }
    return absl::OkStatus();
  };
  REQUIRE(
      ForEachPart(LocalFileSystem(), cluster.log(), VersionId(version), PartColumns::kAll, apply)
          .ok());
  return beside;
}

// Training by chance, of one worker.
class Trainer {
 public:
  explicit Trainer(uint64_t seed, uint64_t keys = kKeys) : random_(seed), keys_(keys) {}

  void Push(Cluster& cluster, uint64_t epoch, uint64_t sequence) {
    std::set<uint64_t> numbers;
    for (uint64_t i = 0, count = 1 + random_() % 60; i < count; ++i) {
      const uint64_t number = random_() % keys_;
      numbers.insert(random_() % 2 == 0 ? number : number % 40);  // some come often
    }
    PushNumbers(cluster, epoch, sequence, 0, numbers);
  }

  // Every key once; or the first ones.
  void PushAll(Cluster& cluster, uint64_t epoch, uint64_t sequence, uint64_t keys = kManyKeys) {
    std::set<uint64_t> numbers;
    for (uint64_t number = 0; number < keys; ++number) {
      numbers.insert(numbers.end(), number);
    }
    PushNumbers(cluster, epoch, sequence, kLastingSlot, numbers);
  }

  void Delete(Cluster& cluster, uint64_t epoch) {
    for (uint32_t server = 0; server < cluster.shape().servers; ++server) {
      std::vector<Key> gone;
      for (uint64_t number = random_() % 5; number < keys_; number += 1 + keys_ / 16) {
        if (cluster.ServerOf(KeyOf(number)) == server) {
          gone.push_back(KeyOf(number));
        }
      }
      REQUIRE(cluster.client(server).Delete(epoch, "weights", gone).ok());
    }
  }

  uint64_t Draw(uint64_t below) { return random_() % below; }

 private:
  static void PushNumbers(Cluster& cluster,
                          uint64_t epoch,
                          uint64_t sequence,
                          uint32_t slot,
                          const std::set<uint64_t>& numbers) {
    for (uint32_t server = 0; server < cluster.shape().servers; ++server) {
      Batch batch{.runs = {Run{.variable = 0, .slot = slot}, Run{.variable = 1}}};
      for (const uint64_t number : numbers) {
        const Key key = KeyOf(number);
        const auto gradient = static_cast<float>(1 + (number + sequence) % 7);
        if (cluster.ServerOf(key) == server) {
          batch.runs[0].keys.push_back(key);
          batch.runs[0].gradients.insert(batch.runs[0].gradients.end(), 3, gradient);
          batch.runs[1].keys.push_back(key);
          batch.runs[1].gradients.insert(batch.runs[1].gradients.end(), 4, 1.0F);
        }
      }
      if (server == 0) {
        batch.dense = {0};
        batch.dense_gradients = {0.5F};
      }
      REQUIRE(cluster.client(server)
                  .Push({.epoch = epoch, .sequence = sequence, .stream_step = sequence + 1}, batch)
                  .ok());
    }
  }

  std::mt19937_64 random_;
  const uint64_t keys_;
};

// A cut that does not get to its end: how far it comes is drawn.
void BeginCut(Cluster& cluster, uint64_t epoch, uint64_t version, bool full, bool write) {
  REQUIRE(cluster.log().Prepare(VersionId(version)).ok());
  for (uint32_t server = 0; server < cluster.shape().servers; ++server) {
    REQUIRE(cluster.client(server).Cut(epoch, version, full).ok());
    if (write) {
      REQUIRE(cluster.client(server).WriteCut(epoch, version).ok());
    }
  }
}

// Of all servers.
uint64_t MetricOf(Cluster& cluster, const std::string& metric) {
  uint64_t sum = 0;
  for (uint32_t server = 0; server < cluster.shape().servers; ++server) {
    const std::string text = cluster.server(server).MetricsText();
    const std::string name = "\n" + metric + " ";
    const size_t found = text.find(name);
    REQUIRE(found != std::string::npos);
    sum += std::stoull(text.substr(found + name.size()));
  }
  return sum;
}

uint64_t Rewinds(Cluster& cluster) {
  return MetricOf(cluster, "freshet_ps_rewinds_total");
}

uint64_t ColdRows(Cluster& cluster) {
  return MetricOf(cluster, "freshet_ps_cold_rows");
}

}  // namespace

TEST_CASE("a rewound server equals one that has loaded all", "[ps][rewind]") {
  const Rules rules = GENERATE(Rules::kNone, Rules::kExact, Rules::kBloom);
  const uint64_t seed = GENERATE(range(uint64_t{1}, uint64_t{11}));
  const bool tiered = seed % 5 == 0;
  CAPTURE(static_cast<int>(rules), seed, tiered);
  Trainer trainer(seed, tiered ? kManyKeys : kKeys);
  const proto::ModelSpec model = ModelWith(rules);
  const test::ClusterShape shape{
      .servers = static_cast<uint32_t>(1 + trainer.Draw(tiered ? 2 : 3)),
      .owner_threads = static_cast<uint32_t>(1 + trainer.Draw(2)),
      .dram_bytes = tiered ? kDramBytes : 0,
  };
  const test::ScratchFolder folder;
  const std::string log = folder.path() + "/log";
  Cluster survivor(shape, log);
  survivor.Restore(1, 0);
  survivor.Declare(1, model);
  uint64_t sequence = 0;
  if (tiered) {
    trainer.PushAll(survivor, 1, ++sequence);
  }
  const uint64_t versions = 2 + trainer.Draw(6);
  const uint64_t last_base = 1 + trainer.Draw(versions);
  for (uint64_t version = 1; version <= versions; ++version) {
    for (uint64_t i = trainer.Draw(6); i < 6; ++i) {
      trainer.Push(survivor, 1, ++sequence);
    }
    if (trainer.Draw(3) == 0) {
      trainer.Delete(survivor, 1);
    }
    survivor.CutVersion(1, version, model, version == 1 || version == last_base);
  }
  // What the rewind undoes.
  uint64_t next_version = versions + 1;
  for (uint64_t i = trainer.Draw(4); i < 4; ++i) {
    trainer.Push(survivor, 1, ++sequence);
    if (trainer.Draw(4) == 0) {
      trainer.Delete(survivor, 1);
    }
    if (trainer.Draw(3) == 0 && next_version == versions + 1) {
      BeginCut(survivor, 1, next_version++, trainer.Draw(3) == 0, trainer.Draw(2) == 0);
    }
  }

  // Any version of the line since its base.
  const uint64_t target = last_base + trainer.Draw(versions - last_base + 1);
  Cluster fresh({.servers = shape.servers, .owner_threads = shape.owner_threads}, log);
  const uint64_t rows = fresh.Restore(2, target);
  CHECK(survivor.Restore(2, target) == rows);
  CHECK((!tiered || ColdRows(survivor) > kManyKeys / 4));
  CHECK(Rewinds(survivor) == shape.servers);
  CHECK(Rewinds(fresh) == 0);
  Trainer same(seed + 1, tiered ? kManyKeys : kKeys);
  Trainer same_again(seed + 1, tiered ? kManyKeys : kKeys);
  for (uint64_t push = 1; push <= 5; ++push) {
    same.Push(survivor, 2, push);
    same_again.Push(fresh, 2, push);
  }
  const uint64_t of_fresh = next_version + 1;
  survivor.CutVersion(2, next_version, model, true);
  fresh.CutVersion(2, of_fresh, model, true);
  CHECK(survivor.Read(next_version) == fresh.Read(of_fresh));
  CHECK(ReadBeside(survivor, next_version) == ReadBeside(fresh, of_fresh));
}

TEST_CASE("a server rewinds from one version to another, and forth again", "[ps][rewind]") {
  const proto::ModelSpec model = ModelWith(Rules::kNone);
  const test::ScratchFolder folder;
  const std::string log = folder.path() + "/log";
  Cluster survivor({.servers = 2}, log);
  Trainer trainer(1);
  survivor.Restore(1, 0);
  survivor.Declare(1, model);
  std::vector<test::VersionContents> contents(6);
  for (uint64_t version = 1; version <= 5; ++version) {
    trainer.Push(survivor, 1, version);
    if (version % 2 == 0) {
      trainer.Delete(survivor, 1);
    }
    survivor.CutVersion(1, version, model, version == 1);
    contents[version] = survivor.Read(version);
  }
  uint64_t epoch = 1;
  for (const uint64_t target : {2, 5, 1, 4, 4}) {
    const uint64_t of_version = contents[target].rows.size();
    CHECK(survivor.Restore(++epoch, target) == of_version);
    trainer.Push(survivor, epoch, 1);  // is undone by the next
    CHECK(Rewinds(survivor) == 2 * (epoch - 1));
  }
  survivor.Restore(++epoch, 3);
  survivor.CutVersion(epoch, 6, model, true);
  CHECK(survivor.Read(6) == contents[3]);
}

TEST_CASE("rows are loaded whole where nobody can tell what differs", "[ps][rewind]") {
  const proto::ModelSpec model = ModelWith(Rules::kNone);
  const test::ScratchFolder folder;
  const std::string log = folder.path() + "/log";
  Cluster survivor({}, log);
  Trainer trainer(2);
  survivor.Restore(1, 0);
  survivor.Declare(1, model);
  for (uint64_t version = 1; version <= 4; ++version) {
    trainer.Push(survivor, 1, version);
    survivor.CutVersion(1, version, model, version == 3);
  }
  SECTION("a base lies in between") {
    const auto before = survivor.Read(2);
    CHECK(survivor.Restore(2, 2) == before.rows.size());
    CHECK(Rewinds(survivor) == 0);
  }
  SECTION("the servers are others") {
    CHECK(survivor.Restore(2, 4) > 0);
    CHECK(Rewinds(survivor) == 1);
    proto::RestoreRequest request = survivor.RestoreRequest(3, 4);
    request.set_servers(2);
    CHECK(survivor.client().Restore(request).ok());
    CHECK(Rewinds(survivor) == 1);
  }
  SECTION("a base of another log was mixed in") {
    proto::RestoreRequest request = survivor.RestoreRequest(2, 4);
    request.set_base_log_dir(log);
    request.set_base_version(2);
    request.set_base_weight(0.5F);
    CHECK(survivor.client().Restore(request).ok());
    CHECK(survivor.Restore(3, 4) > 0);
    CHECK(Rewinds(survivor) == 0);
    CHECK(survivor.Restore(4, 4) > 0);
    CHECK(Rewinds(survivor) == 1);
  }
}

TEST_CASE("a server loads everything where more rows may differ than it can know of",
          "[ps][rewind]") {
  const proto::ModelSpec model = ModelWith(Rules::kNone);
  Cluster survivor({.dram_bytes = kDramBytes});
  Trainer trainer(3, kManyKeys);
  survivor.Restore(1, 0);
  survivor.Declare(1, model);
  trainer.PushAll(survivor, 1, 1);
  survivor.CutVersion(1, 1, model, true);
  const auto before = survivor.Read(1);
  uint64_t epoch = 1;
  const auto restore = [&] {
    CHECK(survivor.Restore(++epoch, 1) == before.rows.size());
    // Of rows, which get three quarters at most, and what blocks that are being loaded take beyond.
    CHECK(survivor.server().bytes() < kDramBytes / 4 * 3 + (1U << 20U));
    CHECK(ColdRows(survivor) > 0);
  };
  uint64_t version = 1;
  SECTION("too many went to disk to be remembered") {
    trainer.PushAll(survivor, epoch, 2);
  }
  SECTION("too many are named by versions") {
    trainer.PushAll(survivor, epoch, 2, 5000);
    survivor.CutVersion(epoch, ++version, model);
  }
  restore();
  CHECK(Rewinds(survivor) == 0);
  trainer.Push(survivor, epoch, 1);
  restore();
  CHECK(Rewinds(survivor) == 1);
  survivor.CutVersion(epoch, ++version, model, true);
  CHECK(survivor.Read(version) == before);
}

TEST_CASE("a rewind that fails halfway leaves nothing that is taken for whole", "[ps][rewind]") {
  const bool tiered = GENERATE(false, true);
  CAPTURE(tiered);
  const proto::ModelSpec model = ModelWith(Rules::kNone);
  Cluster survivor({.dram_bytes = tiered ? kDramBytes : 0});
  Trainer trainer(4, kManyKeys);
  survivor.Restore(1, 0);
  survivor.Declare(1, model);
  trainer.PushAll(survivor, 1, 1);
  survivor.CutVersion(1, 1, model, true);
  trainer.Push(survivor, 1, 2);
  survivor.CutVersion(1, 2, model);
  trainer.Push(survivor, 1, 3);
  const auto before = survivor.Read(2);
  // The base can be read, the delta cannot.
  const std::string part = survivor.log().VersionDirectory(VersionId(2)) + "/part-0-0.safetensors";
  std::filesystem::rename(part, part + ".gone");
  CHECK_FALSE(survivor.client().Restore(survivor.RestoreRequest(2, 2)).ok());
  std::filesystem::rename(part + ".gone", part);
  CHECK(survivor.Restore(3, 2) == before.rows.size());
  CHECK(Rewinds(survivor) == 0);
  CHECK(survivor.Restore(4, 2) == before.rows.size());
  CHECK(Rewinds(survivor) == 1);
  survivor.CutVersion(4, 3, model, true);
  CHECK(survivor.Read(3) == before);
}

}  // namespace freshet::ps
