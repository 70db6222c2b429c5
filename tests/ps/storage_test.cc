// Servers whose rows do not fit into the memory that they may use, beside one that has room.
#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "common/rpc/typed.h"
#include "tests/ps/cluster.h"
#include "tests/ps/models.h"

namespace freshet::ps {
namespace {

using Catch::Contains;
using test::Batch;
using test::Cluster;
using test::KeyOf;
using test::Run;
using test::SmallModel;

constexpr uint64_t kDramBytes = 16U << 20U;
// Without RocksDB's quarter, and with the tenth that a server may be over its budget.
constexpr uint64_t kMostHotBytes = kDramBytes / 4 * 3 / 10 * 11;
constexpr uint32_t kDim = 3;

Batch PushOf(const std::vector<Key>& keys, std::mt19937_64& random) {
  Run run{.variable = 0, .keys = keys};
  for (size_t i = 0; i < keys.size() * kDim; ++i) {
    run.gradients.push_back(static_cast<float>(random() % 2001) * 0.001F - 1.0F);
  }
  return {.runs = {std::move(run)}};
}

// Some keys often, most of them rarely.
std::vector<Key> SomeKeys(std::mt19937_64& random, size_t count, uint64_t universe) {
  std::set<Key> keys;
  while (keys.size() < count) {
    keys.insert(KeyOf(random() % (random() % 4 == 0 ? universe : universe / 50)));
  }
  return {keys.begin(), keys.end()};
}

TEST_CASE("a server with rows on disk keeps its budget, and differs in nothing else", "[ps]") {
  constexpr uint64_t kUniverse = 400'000;
  Cluster tiered({.owner_threads = 2, .dram_bytes = kDramBytes});
  Cluster plain({});
  std::mt19937_64 random(7);
  for (Cluster* const cluster : {&tiered, &plain}) {
    cluster->Restore(1, 0);
    cluster->Declare(1, SmallModel());
  }
  uint64_t sequence = 0;
  const auto push = [&](uint64_t epoch, const std::vector<Key>& keys) {
    const Batch batch = PushOf(keys, random);
    ++sequence;
    for (Cluster* const cluster : {&tiered, &plain}) {
      REQUIRE(cluster->client().Push({.epoch = epoch, .sequence = sequence}, batch).ok());
    }
    CHECK(tiered.server().bytes() < kMostHotBytes + batch.runs[0].keys.size() * 100);
  };
  const auto same = [&](uint64_t version, bool full) {
    for (Cluster* const cluster : {&tiered, &plain}) {
      cluster->CutVersion(version < 3 ? 1 : 2, version, SmallModel(), full);
    }
    CHECK(tiered.Read(version) == plain.Read(version));
  };
  // Every key once.
  for (uint64_t first = 0; first < kUniverse; first += 20'000) {
    std::vector<Key> keys(20'000);
    for (size_t i = 0; i < keys.size(); ++i) {
      keys[i] = KeyOf(first + i);
    }
    push(1, keys);
  }
  CHECK(tiered.server().rows() == kUniverse);
  CHECK_THAT(tiered.server().MetricsText(), !Contains("freshet_ps_cold_rows 0"));
  same(1, true);
  for (int i = 0; i < 20; ++i) {
    const std::vector<Key> keys = SomeKeys(random, 5000, kUniverse);
    REQUIRE(tiered.client().Announce({}, {.runs = {Run{.keys = keys}}}).ok());
    CHECK(tiered.PullAll(1, 0, kDim, keys) == plain.PullAll(1, 0, kDim, keys));
    push(1, keys);
  }
  const std::vector<Key> gone = SomeKeys(random, 3000, kUniverse);
  CHECK(*tiered.client().Delete(1, "weights", gone) == *plain.client().Delete(1, "weights", gone));
  same(2, false);
  // Another epoch begins with the version, and goes on from it.
  sequence = 0;
  CHECK(tiered.Restore(2, 2) == plain.Restore(2, 2));
  CHECK(tiered.server().bytes() < kMostHotBytes + (1U << 20U));
  for (int i = 0; i < 5; ++i) {
    push(2, SomeKeys(random, 5000, kUniverse));
  }
  same(3, false);
  const auto directory = std::filesystem::path(tiered.StorageDirectory(0));
  CHECK(std::filesystem::exists(directory / "rows"));
}

// What a bad disk does to a file: little, but all over it.
std::string FlipBits(std::string bytes) {
  for (size_t at = 0; at < bytes.size(); at += 1000) {
    bytes[at] ^= 4;
  }
  return bytes;
}

std::string CutShort(std::string bytes) {
  bytes.resize(bytes.size() / 3);
  return bytes;
}

std::string ZeroBlocks(std::string bytes) {
  for (size_t at = 0; at + 512 <= bytes.size(); at += 4096) {
    std::fill_n(&bytes[at], 512, '\0');
  }
  return bytes;
}

std::string SwapHalves(std::string bytes) {
  std::rotate(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(bytes.size() / 2), bytes.end());
  return bytes;
}

// RocksDB writes no more.
void WaitUntilFilesStay(PsServer& server) {
  const auto bytes = [&server] {
    const std::string text = server.MetricsText();
    const std::string name = "\nfreshet_ps_cold_disk_bytes ";
    return std::stod(text.substr(text.find(name) + name.size()));
  };
  double before = 0;
  int same = 0;
  for (int looks = 0; same < 5; ++looks) {
    REQUIRE(looks < 1000);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    const double now = bytes();
    same = now == before ? same + 1 : 0;
    before = now;
  }
}

// One a run: it takes a while.
size_t SomeKindOfDamage() {
  return std::random_device()() % 4;
}

// To every file of rows.
void Damage(const std::string& directory, size_t kind) {
  const auto damage = std::array{FlipBits, CutShort, ZeroBlocks, SwapHalves}[kind];
  size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory + "/rows")) {
    if (entry.path().extension() == ".sst") {
      std::ifstream before_it(entry.path(), std::ios::binary);
      const std::string bytes{std::istreambuf_iterator<char>(before_it), {}};
      std::ofstream(entry.path(), std::ios::binary | std::ios::trunc) << damage(bytes);
      ++files;
    }
  }
  REQUIRE(files > 0);
}

TEST_CASE("when rows on disk cannot be read, the epoch ends, and the next one is whole", "[ps]") {
  constexpr uint64_t kKeys = 400'000;
  const size_t kind = SomeKindOfDamage();
  CAPTURE(kind);
  Cluster cluster({.dram_bytes = kDramBytes});
  std::mt19937_64 random(7);
  cluster.Restore(1, 0);
  cluster.Declare(1, SmallModel());
  std::vector<Key> keys(kKeys);
  for (size_t i = 0; i < keys.size(); ++i) {
    keys[i] = KeyOf(i);
  }
  REQUIRE(cluster.client().Push({.sequence = 1}, PushOf(keys, random)).ok());
  cluster.CutVersion(1, 1, SmallModel());
  const auto before = cluster.Read(1);
  Damage(cluster.StorageDirectory(0), kind);
  const Run all{.keys = keys};
  const Status status = cluster.client().Pull({}, {.runs = {all}}).status();
  CHECK(absl::IsDataLoss(status));
  CHECK_THAT(MessageOf(status), Contains("read a cold row in " + cluster.StorageDirectory(0)));
  // Nothing goes on with rows that may be wrong.
  const Batch one = PushOf({KeyOf(1)}, random);
  CHECK(absl::IsDataLoss(cluster.client().Push({.sequence = 2}, one)));
  CHECK(absl::IsDataLoss(cluster.client().Cut(1, 2).status()));
  REQUIRE(cluster.Restore(2, 1) == kKeys);
  CHECK(cluster.client().Pull({.epoch = 2}, {.runs = {all}}).ok());
  cluster.CutVersion(2, 3, SmallModel(), true);
  CHECK(cluster.Read(3) == before);
}

TEST_CASE("when a rewind finds that rows on disk cannot be read, all are loaded", "[ps]") {
  constexpr uint64_t kKeys = 100'000;
  const bool damaged = GENERATE(true, false);
  const size_t kind = SomeKindOfDamage();
  CAPTURE(damaged, kind);
  Cluster cluster({.dram_bytes = 4U << 20U});
  std::mt19937_64 random(7);
  cluster.Restore(1, 0);
  cluster.Declare(1, SmallModel());
  std::vector<Key> keys(kKeys);
  for (size_t i = 0; i < keys.size(); ++i) {
    keys[i] = KeyOf(i);
  }
  REQUIRE(cluster.client().Push({.sequence = 1}, PushOf(keys, random)).ok());
  cluster.CutVersion(1, 1, SmallModel(), true);
  const auto before = cluster.Read(1);
  const std::vector<Key> changed(keys.begin(), keys.begin() + 3000);
  REQUIRE(cluster.client().Push({.sequence = 2}, PushOf(changed, random)).ok());
  cluster.CutVersion(1, 2, SmallModel());
  // Others come up, so that these go down.
  for (size_t first = 20'000; first < kKeys; first += 20'000) {
    const Run others{.keys = {keys.begin() + static_cast<ptrdiff_t>(first),
                              keys.begin() + static_cast<ptrdiff_t>(first + 20'000)}};
    REQUIRE(cluster.client().Pull({}, {.runs = {others}}).ok());
  }
  if (damaged) {
    WaitUntilFilesStay(cluster.server());  // so that nobody but the rewind finds it
    Damage(cluster.StorageDirectory(0), kind);
  }
  CHECK(cluster.Restore(2, 1) == kKeys);
  CHECK_THAT(cluster.server().MetricsText(),
             Contains(damaged ? "freshet_ps_rewinds_total 0" : "freshet_ps_rewinds_total 1"));
  cluster.CutVersion(2, 3, SmallModel(), true);
  CHECK(cluster.Read(3) == before);
}

TEST_CASE("a server may end while the pieces of a cut are written", "[ps]") {
  for (int round = 0; round < 5; ++round) {
    Cluster cluster({.owner_threads = 2, .dram_bytes = 4U << 20U});
    std::mt19937_64 random(7);
    cluster.Restore(1, 0);
    cluster.Declare(1, SmallModel());
    std::vector<Key> keys(30'000);
    for (size_t i = 0; i < keys.size(); ++i) {
      keys[i] = KeyOf(i);
    }
    REQUIRE(cluster.client().Push({.sequence = 1}, PushOf(keys, random)).ok());
    REQUIRE(cluster.client().Cut(1, 1).ok());
    REQUIRE(cluster.log().Prepare(VersionId(1)).ok());
    proto::WriteCutRequest request;
    request.set_epoch(1);
    request.set_version(1);
    cluster.client().channel().Call(rpc::Method::kWriteCut,
                                    rpc::MakeMessage(request),
                                    std::chrono::seconds(10),
                                    [](const StatusOr<rpc::Message>& /*answer*/) {});
    const std::string third =
        cluster.log().VersionDirectory(VersionId(1)) + "/part-0-1-2.safetensors";
    while (!std::filesystem::exists(third)) {
      std::this_thread::yield();
    }
  }
}

TEST_CASE("storage that cannot be used is refused at the start", "[ps]") {
  const auto transport = rpc::MakeInProcessTransport();
  const test::ScratchFolder scratch;
  const Env env{.clock = SystemClock(),
                .random = SystemRandom(),
                .files = LocalFileSystem(),
                .transport = *transport};
  PsOptions options;
  options.listen = "ps:0";
  options.log_directory = scratch.path();
  options.storage = {.directory = scratch.path() + "/rows", .dram_bytes = 1};
  CHECK(absl::IsInvalidArgument(PsServer::Start(options, env).status()));
  options.storage.dram_bytes = kDramBytes;
  const auto first = PsServer::Start(options, env);
  REQUIRE(first.ok());
  const auto second = PsServer::Start(options, env);
  CHECK(absl::IsFailedPrecondition(second.status()));
  CHECK_THAT(MessageOf(second.status()), Contains("each needs a directory of its own"));
}

}  // namespace
}  // namespace freshet::ps
