#include "coordinator/state_store.h"

#include <catch2/catch.hpp>

#include "tests/common/cluster/temp_folder.h"

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
