#include "common/version_log/retention.h"

#include <catch2/catch.hpp>
#include <random>
#include <set>

#include "tests/common/cluster/temp_folder.h"
#include "tests/common/version_log/manifests.h"

namespace freshet {
namespace {

using Facts = std::map<VersionId, VersionFact>;

constexpr int64_t kNow = 1'000'000;

// A log as chance makes it: bases, deltas and rollbacks, and now and then a damaged manifest.
Facts RandomLog(std::mt19937_64& random) {
  Facts facts;
  uint64_t head = 0;
  const uint64_t versions = 1 + random() % 60;
  for (uint64_t version = 1; version <= versions; ++version) {
    if (random() % 8 == 0) {
      continue;  // a number that a failed cut used up
    }
    VersionFact fact{.created_unix_ms = static_cast<int64_t>(version * 1000), .readable = true};
    const uint64_t kind = random() % 10;
    if (kind == 0 && !facts.empty()) {  // a rollback
      auto target = facts.begin();
      std::advance(target, random() % facts.size());
      fact.needs = target->first;
    } else if (kind > 1) {  // a delta
      fact.needs = VersionId(head);
    }
    if (random() % 30 == 0) {
      fact = {};
    }
    facts[VersionId(version)] = fact;
    head = version;
  }
  return facts;
}

// Every version's chain is there, as far as it can be known.
bool AllLoadable(const Facts& facts, const std::set<VersionId>& gone) {
  for (const auto& [version, fact] : facts) {
    if (!gone.contains(version) && gone.contains(fact.needs)) {
      return false;
    }
  }
  return true;
}

TEST_CASE("retention: at no time is a version there that lacks what it needs", "[version_log]") {
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    const Facts facts = RandomLog(random);
    std::map<VersionId, std::string> pins;
    if (random() % 2 == 0) {
      pins[VersionId(1 + random() % 60)] = "why";
    }
    const Retention retention{.keep_versions = static_cast<uint32_t>(1 + random() % 20),
                              .keep_for_ms = static_cast<int64_t>(random() % 30'000)};
    const int64_t now = 60'000 + static_cast<int64_t>(random() % 30'000);
    const std::vector<VersionId> removable = Removable(facts, pins, retention, now);
    std::set<VersionId> gone;
    REQUIRE(AllLoadable(facts, gone));
    for (const VersionId version : removable) {
      REQUIRE(facts.contains(version));
      REQUIRE(!pins.contains(version));
      REQUIRE(gone.insert(version).second);
      REQUIRE(AllLoadable(facts, gone));
    }
    uint32_t newer = 0;
    for (auto it = facts.rbegin(); it != facts.rend(); ++it, ++newer) {
      if (newer < retention.keep_versions ||
          (it->second.readable && now - it->second.created_unix_ms < retention.keep_for_ms)) {
        REQUIRE(!gone.contains(it->first));
      }
      if (!it->second.readable && !gone.contains(it->first)) {
        // Who knows what it needed: all that is older stays.
        for (const auto& [older, fact] : facts) {
          REQUIRE((older >= it->first || !gone.contains(older)));
        }
      }
    }
    // Once removed, there is nothing left to remove.
    Facts left = facts;
    for (const VersionId version : removable) {
      left.erase(version);
    }
    REQUIRE(Removable(left, pins, retention, now).empty());
  }
}

TEST_CASE("retention: an old base and its deltas go when a newer base carries all that is kept",
          "[version_log]") {
  Facts facts;
  for (uint64_t version = 1; version <= 6; ++version) {
    const bool base = version == 1 || version == 4;
    facts[VersionId(version)] = {
        .needs = VersionId(base ? 0 : version - 1), .created_unix_ms = 0, .readable = true};
  }
  const Retention three{.keep_versions = 3, .keep_for_ms = 0};
  CHECK(Removable(facts, {}, three, kNow) ==
        std::vector<VersionId>{VersionId(3), VersionId(2), VersionId(1)});
  // Version 3 needs what it is built upon.
  CHECK(Removable(facts, {}, {.keep_versions = 4, .keep_for_ms = 0}, kNow).empty());
  CHECK(Removable(facts, {{VersionId(2), ""}}, three, kNow) ==
        std::vector<VersionId>{VersionId(3)});
  CHECK(Removable(facts, {}, {.keep_versions = 0, .keep_for_ms = 0}, kNow).empty());
  CHECK(Removable(facts, {}, {.keep_versions = 1, .keep_for_ms = kNow + 1}, kNow).empty());
  // What the gate keeps serving at stays, too.
  facts[VersionId(6)].served = VersionId(3);
  CHECK(Removable(facts, {}, three, kNow).empty());
  // And what early stopping may go back to.
  facts[VersionId(6)].served = VersionId(0);
  facts[VersionId(6)].best = VersionId(2);
  CHECK(Removable(facts, {}, three, kNow) == std::vector<VersionId>{VersionId(3)});
  // And what serving is kept at while a base is taken in.
  facts[VersionId(6)].best = VersionId(0);
  facts[VersionId(6)].online = VersionId(2);
  CHECK(Removable(facts, {}, three, kNow) == std::vector<VersionId>{VersionId(3)});
}

TEST_CASE("a pin is a note that stays; a version that is not there cannot be pinned",
          "[version_log]") {
  const TempFolder folder;
  VersionLog log(LocalFileSystem(), folder.path() + "/log");
  CHECK(log.Pins().value().empty());
  CHECK(absl::IsNotFound(log.Pin(VersionId(1), "")));
  REQUIRE(log.Commit(test::SmallManifest(1, 0)).ok());
  REQUIRE(log.Pin(VersionId(1), "before the campaign").ok());
  CHECK(log.Pins().value() ==
        std::map<VersionId, std::string>{{VersionId(1), "before the campaign"}});
  CHECK(log.List().value() == std::vector<VersionId>{VersionId(1)});
  CHECK(absl::IsInvalidArgument(log.Pin(VersionId(1), "two\nlines")));
  REQUIRE(log.Unpin(VersionId(1)).ok());
  CHECK(log.Pins().value().empty());
  CHECK(absl::IsNotFound(log.Unpin(VersionId(1))));
}

TEST_CASE("a version that was retired is none, and can be brought back until its folder goes",
          "[version_log]") {
  const TempFolder folder;
  VersionLog log(LocalFileSystem(), folder.path() + "/log");
  REQUIRE(log.Commit(test::SmallManifest(1, 0)).ok());
  REQUIRE(log.Commit(test::SmallManifest(2, 1)).ok());
  CHECK(absl::IsFailedPrecondition(log.RemoveFolder(VersionId(1))));
  REQUIRE(log.Retire(VersionId(1)).ok());
  CHECK(log.List().value() == std::vector<VersionId>{VersionId(2)});
  REQUIRE(log.Restore(VersionId(1)).ok());
  CHECK(log.ReadManifest(VersionId(1)).ok());
  REQUIRE(log.Retire(VersionId(1)).ok());
  REQUIRE(log.RemoveFolder(VersionId(1)).ok());
  CHECK(absl::IsNotFound(LocalFileSystem().Stat(log.VersionDirectory(VersionId(1))).status()));
  CHECK(absl::IsNotFound(log.Restore(VersionId(1))));
}

}  // namespace
}  // namespace freshet
