#include "common/version_log/compaction.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <tuple>

#include "common/cluster/partition_map.h"
#include "common/version_log/retention.h"
#include "tests/common/damage.h"
#include "tests/common/version_log/contents.h"
#include "tests/common/version_log/crash_file_system.h"
#include "tests/common/version_log/manifests.h"

namespace freshet::test {
namespace {

constexpr uint32_t kPartitions = 16;
constexpr uint64_t kKeys = 200;
constexpr char kUser[] = "user";
constexpr char kItem[] = "item";

Status Always() {
  return absl::OkStatus();
}

// All that a version says, as whoever loads it has it in the end.
struct State {
  using Row = std::tuple<std::vector<float>, std::vector<float>, uint32_t, uint32_t, float, int>;

  std::map<std::pair<std::string, Key>, Row> rows;
  std::map<std::pair<std::string, Key>, std::pair<uint32_t, uint32_t>> candidates;
  std::map<std::pair<std::string, uint64_t>, std::vector<uint8_t>> blocks;
  std::map<std::string, std::pair<uint64_t, uint64_t>> clocks;
  std::map<std::string, std::pair<std::vector<float>, std::vector<float>>> dense;

  friend bool operator==(const State&, const State&) = default;

  void Apply(const PartContents& part) {
    for (const EmbeddingRows& of : part.embeddings) {
      const std::string& name = of.variable;
      for (const Key key : of.tombstones) {
        rows.erase({name, key});
      }
      for (size_t i = 0; i < of.keys.size(); ++i) {
        const auto cell = [&](const std::vector<float>& column, uint32_t width) {
          return std::vector<float>(column.begin() + static_cast<std::ptrdiff_t>(i * width),
                                    column.begin() + static_cast<std::ptrdiff_t>((i + 1) * width));
        };
        rows[{name, of.keys[i]}] = {cell(of.values, of.dim),
                                    cell(of.states, of.state_dim),
                                    of.frequencies[i],
                                    of.last_updates[i],
                                    of.lives.empty() ? -1.0F : of.lives[i].shows,
                                    of.served.empty() ? -1 : of.served[i]};
      }
      for (const Key key : of.candidates.tombstones) {
        candidates.erase({name, key});
      }
      for (size_t i = 0; i < of.candidates.keys.size(); ++i) {
        candidates[{name, of.candidates.keys[i]}] = {of.candidates.frequencies[i],
                                                     of.candidates.last_updates[i]};
      }
      for (size_t i = 0; i < of.filter.blocks.size(); ++i) {
        const uint8_t* const counters = &of.filter.counters[i * FilterBlocks::kBlockBytes];
        blocks[{name, of.filter.blocks[i]}].assign(counters, counters + FilterBlocks::kBlockBytes);
      }
      auto& [step, time] = clocks[name];
      step = std::max(step, of.clock.step);
      time = std::max(time, of.clock.event_time_s);
    }
    for (const DenseTensor& tensor : part.dense) {
      dense[tensor.variable] = {tensor.values, tensor.states};
    }
  }
};

// A log that is written by chance, by a changing number of servers, of which each owns some
// partitions and cuts its changes into one or two parts.
class RandomLog {
 public:
  explicit RandomLog(uint64_t seed) : random_(seed) {}

  void Add(proto::Manifest::Kind kind) {
    const uint64_t version = ++newest_;
    proto::Manifest manifest = SmallManifest(version, version - 1, kind);
    manifest.set_partition_count(kPartitions);
    REQUIRE(log.Prepare(VersionId(version)).ok());
    if (kind == proto::Manifest::ROLLBACK) {
      manifest.set_parent(1 + Draw(version - 1));
    } else {
      servers_ = Draw(5) == 0 ? 1 + static_cast<uint32_t>(Draw(4)) : servers_;
      for (uint32_t server = 0; server < servers_; ++server) {
        AddParts(server, kind == proto::Manifest::BASE, &manifest);
      }
    }
    const Status status = log.Commit(manifest);
    INFO(status.ToString());
    REQUIRE(status.ok());
  }

  State Read(uint64_t version) {
    State state;
    const Status status = ForEachPart(files,
                                      log,
                                      VersionId(version),
                                      PartColumns::kAll,
                                      [&](const proto::Manifest&, const PartContents& part) {
                                        state.Apply(part);
                                        return absl::OkStatus();
                                      });
    INFO(status.ToString());
    REQUIRE(status.ok());
    return state;
  }

  size_t ChainLength(uint64_t version) {
    const auto chain = log.Chain(VersionId(version));
    REQUIRE(chain.ok());
    return chain->size();
  }

  uint64_t newest() const { return newest_; }

  uint64_t Draw(uint64_t below) { return random_() % below; }

  std::mt19937_64& random() { return random_; }

  CrashFileSystem files;
  VersionLog log{files, "/data/log"};

 private:
  static Key KeyOf(uint64_t number) { return SplitMix64(number); }

  void AddRow(Key key, EmbeddingRows* rows) {
    rows->keys.push_back(key);
    for (uint32_t i = 0; i < rows->dim; ++i) {
      rows->values.push_back(static_cast<float>(Draw(1000)));
    }
    for (uint32_t i = 0; i < rows->state_dim; ++i) {
      rows->states.push_back(static_cast<float>(Draw(1000)));
    }
    rows->frequencies.push_back(static_cast<uint32_t>(Draw(100)));
    rows->last_updates.push_back(static_cast<uint32_t>(newest_));
    if (rows->variable == kUser) {
      FeatureLife life;
      life.shows = static_cast<float>(Draw(50));
      rows->lives.push_back(life);
      rows->served.push_back(static_cast<uint8_t>(Draw(2)));
    }
  }

  EmbeddingRows MakeRows(const char* variable, uint32_t server, bool all) {
    EmbeddingRows rows;
    rows.variable = variable;
    rows.dim = variable == std::string(kUser) ? 3 : 2;
    rows.state_dim = variable == std::string(kUser) ? 3 : 0;
    const PartitionMap map(kPartitions, servers_);
    for (uint64_t number = 0; number < kKeys; ++number) {
      const Key key = KeyOf(number);
      if (map.ServerOfKey(key) != server) {
        continue;
      }
      const uint64_t draw = Draw(all ? 2 : 20);
      if (draw == 0) {
        AddRow(key, &rows);
      } else if (draw == 2) {
        rows.tombstones.push_back(key);
      } else if (variable == std::string(kUser) && (draw == 1 || draw == 3)) {
        rows.candidates.keys.push_back(key);
        rows.candidates.frequencies.push_back(static_cast<uint32_t>(Draw(9)));
        rows.candidates.last_updates.push_back(static_cast<uint32_t>(newest_));
        rows.candidates.lives.emplace_back();
      } else if (draw == 4) {
        rows.candidates.tombstones.push_back(key);
      }
    }
    // Blocks belong to partitions, two each.
    for (uint64_t block = 0; block < 2ULL * kPartitions; ++block) {
      if (map.ServerOf(PartitionId(static_cast<uint32_t>(block / 2))) == server && Draw(8) == 0) {
        rows.filter.blocks.push_back(block);
        for (size_t i = 0; i < FilterBlocks::kBlockBytes; ++i) {
          rows.filter.counters.push_back(static_cast<uint8_t>(Draw(4)));
        }
      }
    }
    rows.clock = {.step = newest_ * 10, .event_time_s = newest_ * 100};
    return rows;
  }

  void AddParts(uint32_t server, bool all, proto::Manifest* manifest) {
    const PartitionMap map(kPartitions, servers_);
    PartContents contents;
    contents.embeddings.push_back(MakeRows(kUser, server, all));
    contents.embeddings.push_back(MakeRows(kItem, server, all));
    for (const uint32_t variable : {0U, 1U, 2U}) {
      if (map.ServerOfDense(variable) == server && (all || Draw(3) == 0)) {
        contents.dense.push_back({.variable = fmt::format("dense{}", variable),
                                  .shape = {2},
                                  .values = {static_cast<float>(newest_), 1.0F},
                                  .states = {static_cast<float>(newest_)}});
      }
    }
    std::vector<PartContents> pieces(1, contents);
    if (Draw(2) == 0) {
      pieces.push_back(contents);
      pieces[0].embeddings.pop_back();
      pieces[0].dense.clear();
      pieces[1].embeddings.erase(pieces[1].embeddings.begin());
    }
    for (const PartContents& piece : pieces) {
      const auto part =
          WritePart(files,
                    log.VersionDirectory(VersionId(newest_)),
                    fmt::format("part-{}-{}.safetensors", server, manifest->parts_size()),
                    piece);
      INFO(part.status().ToString());
      REQUIRE(part.ok());
      *manifest->add_parts() = *part;
      proto::PartFile& added = *manifest->mutable_parts()->rbegin();
      uint32_t first = 0;
      while (map.ServerOf(PartitionId(first)) != server) {
        ++first;
      }
      uint32_t end = first;
      while (end < kPartitions && map.ServerOf(PartitionId(end)) == server) {
        ++end;
      }
      added.set_first_partition(first);
      added.set_end_partition(end);
    }
  }

  std::mt19937_64 random_;
  uint32_t servers_ = 2;
  uint64_t newest_ = 0;
};

// A log whose newest version is a delta on others.
void Fill(RandomLog& log) {
  log.Add(proto::Manifest::BASE);
  const uint64_t versions = 3 + log.Draw(8);
  while (log.newest() < versions) {
    log.Add(log.Draw(6) == 0 ? proto::Manifest::ROLLBACK : proto::Manifest::DELTA);
  }
  log.Add(proto::Manifest::DELTA);
}

}  // namespace

TEST_CASE("a compacted version is what its chain was", "[log]") {
  const uint64_t seed = GENERATE(range(uint64_t{1}, uint64_t{31}));
  CAPTURE(seed);
  RandomLog log(seed);
  Fill(log);
  const uint64_t version = log.newest();
  const State before = log.Read(version);
  std::map<uint64_t, State> others;
  for (uint64_t other = 1; other < version; ++other) {
    others[other] = log.Read(other);
  }
  if (log.ChainLength(version) < 2) {
    CHECK(absl::IsFailedPrecondition(
        Compact(log.files, log.log, VersionId(version), Always).status()));
    return;
  }
  const auto compacted = Compact(log.files, log.log, VersionId(version), Always);
  INFO(compacted.status().ToString());
  REQUIRE(compacted.ok());
  CHECK(log.ChainLength(version) == 1);
  CHECK(log.Read(version) == before);
  CHECK(compacted->rows == before.rows.size());
  CHECK(log.log.Verify(VersionId(version)).ok());
  for (const auto& [other, state] : others) {
    CHECK(log.Read(other) == state);
  }
  // It stays the delta that it was, and no key is in it twice.
  CHECK(log.log.ReadManifest(VersionId(version))->kind() == proto::Manifest::DELTA);
  CHECK(UnfinishedCompaction(log.files, log.log, VersionId(version))->value() == 0);
  CHECK(
      absl::IsFailedPrecondition(Compact(log.files, log.log, VersionId(version), Always).status()));

  // The next one builds on it, and its own compaction on its base.
  log.Add(proto::Manifest::DELTA);
  const State next = log.Read(version + 1);
  CHECK(log.ChainLength(version + 1) == 2);
  REQUIRE(Compact(log.files, log.log, VersionId(version + 1), Always).ok());
  CHECK(log.Read(version + 1) == next);
}

TEST_CASE("a compaction goes on where another try has ended", "[log]") {
  const uint64_t seed = GENERATE(range(uint64_t{1}, uint64_t{11}));
  CAPTURE(seed);
  RandomLog log(seed);
  log.Add(proto::Manifest::BASE);
  for (int i = 0; i < 4; ++i) {
    log.Add(proto::Manifest::DELTA);
  }
  const VersionId version(log.newest());
  const State before = log.Read(version.value());
  uint64_t parts_from_before = 0;
  for (uint64_t reads = 1;; ++reads) {
    uint64_t left = reads;
    const auto compacted = Compact(log.files, log.log, version, [&left]() -> Status {
      return left-- == 0 ? Cancelled("enough for today") : absl::OkStatus();
    });
    if (compacted.ok()) {
      parts_from_before = compacted->parts_from_before;
      break;
    }
    REQUIRE(absl::IsCancelled(compacted.status()));
    CHECK(log.Read(version.value()) == before);
    CHECK(log.ChainLength(version.value()) == 5);
    CHECK(*UnfinishedCompaction(log.files, log.log, version) == version);
  }
  CHECK(log.Read(version.value()) == before);
  CHECK(log.ChainLength(version.value()) == 1);
  const int parts = log.log.ReadBase(version)->parts_size();
  CHECK((parts_from_before > 0 || parts <= 2));  // of one range of keys there is but one
}

TEST_CASE("damage to what a compaction has noted down makes it begin anew", "[log]") {
  const Damage damage = GENERATE(FlipBit, Truncate, ZeroBlock, SwapBlocks, AppendBytes);
  const uint64_t seed = std::random_device()();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (uint64_t round = 0; round < 20; ++round) {
    const auto fill = [](RandomLog& log) {
      log.Add(proto::Manifest::BASE);
      log.Add(proto::Manifest::DELTA);
      log.Add(proto::Manifest::DELTA);
    };
    uint64_t reads = 0;
    RandomLog twin(11 + round);
    fill(twin);
    const auto count = [&reads]() -> Status {
      ++reads;
      return absl::OkStatus();
    };
    REQUIRE(Compact(twin.files, twin.log, VersionId(3), count).ok());
    RandomLog log(11 + round);
    fill(log);
    const State before = log.Read(3);
    const auto broken_off = Compact(log.files, log.log, VersionId(3), [&reads]() -> Status {
      return --reads == 0 ? Cancelled("enough for today") : absl::OkStatus();
    });
    REQUIRE(absl::IsCancelled(broken_off.status()));
    std::string& noted = log.files.Bytes("/data/log/000000000003/base.progress");
    const std::string whole = noted;
    noted = damage(whole, random);
    const auto compacted = Compact(log.files, log.log, VersionId(3), Always);
    INFO(compacted.status().ToString());
    REQUIRE(compacted.ok());
    REQUIRE(log.ChainLength(3) == 1);
    REQUIRE(log.Read(3) == before);
  }
}

TEST_CASE("a compaction that a crash ends leaves the version as it was, or as a base", "[log]") {
  for (uint64_t operation = 0;; ++operation) {
    RandomLog log(5);
    log.Add(proto::Manifest::BASE);
    log.Add(proto::Manifest::DELTA);
    log.Add(proto::Manifest::DELTA);
    const VersionId version(log.newest());
    const State before = log.Read(version.value());
    CAPTURE(operation);
    log.files.FailFrom(log.files.operations() + operation);
    const bool done = Compact(log.files, log.log, version, Always).ok();
    log.files.Crash(log.random());
    CHECK(log.Read(version.value()) == before);
    if (log.ChainLength(version.value()) > 1) {
      REQUIRE_FALSE(done);
      const auto again = Compact(log.files, log.log, version, Always);
      INFO(again.status().ToString());
      REQUIRE(again.ok());
    }
    CHECK(log.ChainLength(version.value()) == 1);
    CHECK(log.Read(version.value()) == before);
    if (done) {
      CHECK(operation > 10);
      break;
    }
  }
}

TEST_CASE("a base manifest that is damaged is passed by while the deltas are there", "[log]") {
  RandomLog log(6);
  log.Add(proto::Manifest::BASE);
  log.Add(proto::Manifest::DELTA);
  const State before = log.Read(2);
  REQUIRE(Compact(log.files, log.log, VersionId(2), Always).ok());
  log.files.Bytes("/data/log/000000000002/base.json")[40] ^= 1;
  CHECK(log.ChainLength(2) == 2);
  CHECK(log.Read(2) == before);
  // And can be made anew.
  REQUIRE(Compact(log.files, log.log, VersionId(2), Always).ok());
  CHECK(log.ChainLength(2) == 1);
}

TEST_CASE("damage to any byte of a base is noticed, and the version before is there", "[log]") {
  RandomLog log(9);
  log.Add(proto::Manifest::BASE);
  log.Add(proto::Manifest::DELTA);
  REQUIRE(Compact(log.files, log.log, VersionId(2), Always).ok());
  const auto base = log.log.ReadBase(VersionId(2));
  REQUIRE(base.ok());
  const auto flip_each = [&](const std::string& name, auto noticed) {
    std::string& bytes = log.files.Bytes("/data/log/000000000002/" + name);
    const std::string whole = bytes;
    for (size_t at = 0; at < whole.size(); ++at) {
      bytes = whole;
      bytes[at] = static_cast<char>(whole[at] ^ (1 << (at % 8)));
      INFO(name << ", byte " << at);
      noticed(name);
    }
    bytes = whole;
  };
  for (const proto::PartFile& part : base->parts()) {
    flip_each(part.name(), [&](const std::string& name) {
      const Status status = log.log.Verify(VersionId(2));
      REQUIRE(absl::IsDataLoss(status));
      REQUIRE(MessageOf(status).find(name) != std::string::npos);
      REQUIRE(log.log.Verify(VersionId(1)).ok());
    });
  }
  flip_each("base.json", [&](const std::string& name) {
    const Status status = log.log.ReadBase(VersionId(2)).status();
    REQUIRE(absl::IsDataLoss(status));
    REQUIRE(MessageOf(status).find(name) != std::string::npos);
    REQUIRE(log.log.Verify(VersionId(2)).ok());  // by the delta that it was
  });
}

TEST_CASE("only a delta becomes a base, and only with its parts there", "[log]") {
  RandomLog log(7);
  log.Add(proto::Manifest::BASE);
  log.Add(proto::Manifest::DELTA);
  const auto based = [&](uint64_t version) {
    proto::Manifest base = *log.log.ReadManifest(VersionId(version));
    base.set_kind(proto::Manifest::BASE);
    return base;
  };
  CHECK(absl::IsFailedPrecondition(log.log.CommitBase(based(1))));
  CHECK(absl::IsNotFound(log.log.ReadBase(VersionId(2)).status()));
  proto::Manifest missing = based(2);
  missing.mutable_parts(0)->set_name("base-0.safetensors");
  CHECK_FALSE(log.log.CommitBase(missing).ok());
  CHECK(absl::IsNotFound(log.log.ReadBase(VersionId(2)).status()));
  CHECK(log.ChainLength(2) == 2);
}

TEST_CASE("what a version needed before it became a base may go", "[log]") {
  RandomLog log(8);
  log.Add(proto::Manifest::BASE);
  for (int i = 0; i < 5; ++i) {
    log.Add(proto::Manifest::DELTA);
  }
  LogFacts facts(log.log);
  const Retention retention{.keep_versions = 2, .keep_for_ms = 0};
  const auto removable = [&] {
    REQUIRE(facts.Refresh().ok());
    return Removable(facts.all(), {}, retention, 1'800'000'000'000);
  };
  CHECK(removable().empty());
  REQUIRE(Compact(log.files, log.log, VersionId(4), Always).ok());
  CHECK(removable() == std::vector{VersionId(3), VersionId(2), VersionId(1)});
  const State newest = log.Read(6);
  for (const VersionId version : removable()) {
    REQUIRE(log.log.Retire(version).ok());
    REQUIRE(log.log.RemoveFolder(version).ok());
  }
  CHECK(log.Read(6) == newest);
  CHECK(removable().empty());
}

}  // namespace freshet::test
