#include "coordinator/state_store.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "tests/common/cluster/temp_folder.h"
#include "tests/common/damage.h"

namespace freshet::coordinator {
namespace {

bool Any(const Event& /*event*/) {
  return true;
}

TEST_CASE("an empty state knows nothing, and what is stored is there after opening again",
          "[coordinator]") {
  const TempFolder folder;
  const std::string directory = folder.path() + "/a/b";
  {
    const auto store = StateStore::Open(directory).value();
    CHECK(store->LastEpoch().value() == Epoch(0));
    CHECK(store->LastVersion().value() == VersionId(0));
    CHECK(store->NewestEvents(10, Any).value().empty());
    CHECK(store->NewestEvent() == 0);
    REQUIRE(store->StoreEpoch(Epoch(7)).ok());
    REQUIRE(store->StoreVersion(VersionId(42)).ok());
  }
  const auto store = StateStore::Open(directory).value();
  CHECK(store->LastEpoch().value() == Epoch(7));
  CHECK(store->LastVersion().value() == VersionId(42));
}

TEST_CASE("a second coordinator on the same state is refused", "[coordinator]") {
  const TempFolder folder;
  const auto store = StateStore::Open(folder.path()).value();
  const auto second = StateStore::Open(folder.path());
  CHECK(absl::IsFailedPrecondition(second.status()));
  CHECK(MessageOf(second.status()).find("another coordinator") != std::string::npos);
  CHECK(MessageOf(second.status()).find(folder.path()) != std::string::npos);
}

std::string ReadAll(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// What may be damaged: all files but for those that RocksDB only writes.
std::vector<std::filesystem::path> FilesOf(const std::string& directory) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    const std::string name = entry.path().filename();
    if (entry.file_size() > 0 && !name.starts_with("LOG") && name != "LOCK") {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

TEST_CASE("damage does not take the epoch back: it is noticed, or does no harm", "[coordinator]") {
  using test::Damage;
  const Damage damage =
      GENERATE(test::FlipBit, test::Truncate, test::ZeroBlock, test::SwapBlocks, test::AppendBytes);
  const uint64_t seed = std::random_device()();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  const TempFolder folder;
  const std::string state = folder.path() + "/state";
  {
    const auto store = StateStore::Open(state).value();
    for (uint64_t epoch = 1; epoch <= 3; ++epoch) {
      REQUIRE(store->StoreEpoch(Epoch(epoch)).ok());
      REQUIRE(store->StoreVersion(VersionId(epoch * 10)).ok());
      REQUIRE(store->Record({.unix_ms = 5, .kind = "epoch", .text = "three"}).ok());
    }
  }
  int refused = 0;
  int rounds = 0;
  for (const std::filesystem::path& file : FilesOf(state)) {
    const std::string whole = ReadAll(file);
    for (int round = 0; round < 6; ++round) {
      const std::string damaged = damage(whole, random);
      const std::string copy = folder.path() + "/copy";
      std::filesystem::remove_all(copy);
      std::filesystem::copy(state, copy);
      std::ofstream(copy + "/" + file.filename().string(), std::ios::trunc | std::ios::binary)
          << damaged;
      INFO(file.filename().string() << ": " << whole.size() << " bytes, now " << damaged.size());
      const auto store = StateStore::Open(copy);
      const auto epoch = store.ok() ? (*store)->LastEpoch() : store.status();
      ++rounds;
      if (!epoch.ok()) {
        ++refused;
        INFO(epoch.status());
        REQUIRE(absl::IsDataLoss(epoch.status()));
        REQUIRE_THAT(MessageOf(epoch.status()), Catch::Contains(copy));
        REQUIRE_THAT(MessageOf(epoch.status()), Catch::Contains("Move the folder away"));
        continue;
      }
      REQUIRE(epoch->value() == 3);
    }
  }
  CHECK(refused > 0);
  CHECK(refused < rounds);
}

TEST_CASE("a directory that cannot be made is an error with its name", "[coordinator]") {
  const auto store = StateStore::Open("/dev/null/state");
  CHECK(absl::IsFailedPrecondition(store.status()));
  CHECK(MessageOf(store.status()).find("/dev/null/state") != std::string::npos);
}

TEST_CASE("scores are kept by version, those of the newest numbers", "[coordinator]") {
  const TempFolder folder;
  constexpr uint64_t kNewest = StateStore::kScoresKept + 3;
  {
    const auto store = StateStore::Open(folder.path()).value();
    CHECK(store->Scores().value().empty());
    for (const uint64_t version : {uint64_t{3}, uint64_t{4}, kNewest}) {
      proto::Manifest scores;
      scores.set_version(version);
      scores.mutable_metrics()->set_auc(0.5 + static_cast<double>(version % 10) / 100);
      REQUIRE(store->StoreScores(scores).ok());
    }
  }
  const auto store = StateStore::Open(folder.path()).value();
  CHECK(store->NewestEvent() == 0);
  const auto scores = store->Scores().value();
  REQUIRE(scores.size() == 2);
  CHECK(scores.begin()->first == VersionId(4));
  CHECK(scores.at(VersionId(4)).metrics().auc() == 0.54);
  CHECK(scores.rbegin()->first == VersionId(kNewest));
}

TEST_CASE("the newest events are kept, in order, across opening again", "[coordinator]") {
  const TempFolder folder;
  constexpr uint64_t kRecorded = StateStore::kEventsKept + 5;
  {
    const auto store = StateStore::Open(folder.path()).value();
    for (uint64_t i = 1; i < kRecorded; ++i) {
      REQUIRE(store->Record({.unix_ms = 1, .kind = "cut_failed", .text = std::to_string(i)}).ok());
    }
  }
  const auto store = StateStore::Open(folder.path()).value();
  REQUIRE(
      store->Record({.unix_ms = -3, .kind = "epoch", .version = 12, .text = "a text with spaces"})
          .ok());
  const auto few = store->NewestEvents(2, Any).value();
  REQUIRE(few.size() == 2);
  CHECK(few[0].kind == "cut_failed");
  CHECK(few[0].text == std::to_string(kRecorded - 1));
  CHECK(few[1].unix_ms == -3);
  CHECK(few[1].kind == "epoch");
  CHECK(few[1].text == "a text with spaces");
  const auto all = store->NewestEvents(10 * kRecorded, Any).value();
  CHECK(all.size() == StateStore::kEventsKept);
  CHECK(all.front().text == "6");
  CHECK(all.front().id == 6);
  CHECK(all.back().version == 12);
  const auto next = store->EventsAfter(kRecorded - 3, 2, Any).value();
  REQUIRE(next.size() == 2);
  CHECK(next[0].id == kRecorded - 2);
  CHECK(next[1].id == kRecorded - 1);
}

}  // namespace
}  // namespace freshet::coordinator
