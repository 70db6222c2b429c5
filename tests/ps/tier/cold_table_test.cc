#include "ps/tier/cold_table.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <random>

#include "tests/ps/tier/scratch.h"

namespace freshet::ps::test {
namespace {

constexpr size_t kRecord = 37;

class Fixture {
 public:
  Fixture() : store(OpenStore(SmallOptions(scratch_.path()))), table(store->MakeTable(kRecord)) {}

  // One row.
  void Put(Key key, uint64_t number, RowState state = RowState::kClean) {
    const auto record = RecordOf(key, number, kRecord);
    REQUIRE(table->Put(std::span(&key, 1), record, std::span(&state, 1)).ok());
  }

 private:
  Scratch scratch_;

 public:
  std::unique_ptr<ColdStore> store;
  std::unique_ptr<ColdTable> table;
};

TEST_CASE("a row is taken once, and found again when it was put again", "[ps][tier]") {
  Fixture fixture;
  fixture.Put(7, 1);
  fixture.Put(0, 2);
  fixture.Put(~Key{0}, 3);
  const std::vector<Key> keys = {5, 7, 7, ~Key{0}};
  std::vector<std::byte> records(keys.size() * kRecord, std::byte{0xee});
  std::vector<RowState> states(keys.size());
  REQUIRE(fixture.table->Get(keys, records, states).ok());
  using enum RowState;
  CHECK(states == std::vector<RowState>{kNone, kClean, kClean, kClean});
  CHECK(At(records, 0, kRecord) == std::vector<std::byte>(kRecord, std::byte{0xee}));
  CHECK(At(records, 1, kRecord) == RecordOf(7, 1, kRecord));
  CHECK(At(records, 2, kRecord) == RecordOf(7, 1, kRecord));
  CHECK(At(records, 3, kRecord) == RecordOf(~Key{0}, 3, kRecord));
  REQUIRE(fixture.table->Take(keys, records, states).ok());
  CHECK(states == std::vector<RowState>{kNone, kClean, kNone, kClean});
  CHECK(fixture.table->rows() == 1);
  REQUIRE(fixture.table->Take(keys, records, states).ok());
  CHECK(states == std::vector<RowState>(4, kNone));
  fixture.Put(7, 4);
  REQUIRE(fixture.table->Take(keys, records, states).ok());
  CHECK(states[1] == kClean);
  CHECK(At(records, 1, kRecord) == RecordOf(7, 4, kRecord));
}

TEST_CASE("erasing tells which rows there were", "[ps][tier]") {
  Fixture fixture;
  fixture.Put(1, 1);
  fixture.Put(2, 1, RowState::kDirty);
  const std::vector<Key> keys = {1, 2, 2, 3};
  std::vector<RowState> states(keys.size());
  REQUIRE(fixture.table->Erase(keys, states).ok());
  using enum RowState;
  CHECK(states == std::vector<RowState>{kClean, kDirty, kNone, kNone});
  CHECK(fixture.table->rows() == 0);
}

TEST_CASE("tables do not see each other's rows, nor a table that was cleared its old ones",
          "[ps][tier]") {
  Fixture fixture;
  const auto other = fixture.store->MakeTable(kRecord);
  fixture.Put(1, 1);
  Key key = 1;
  RowState state = RowState::kNone;
  std::vector<std::byte> record(kRecord);
  REQUIRE(other->Get(std::span(&key, 1), record, std::span(&state, 1)).ok());
  CHECK(state == RowState::kNone);
  fixture.table->Clear();
  CHECK(fixture.table->rows() == 0);
  REQUIRE(fixture.table->Get(std::span(&key, 1), record, std::span(&state, 1)).ok());
  CHECK(state == RowState::kNone);
  fixture.Put(1, 2);
  REQUIRE(fixture.table->Take(std::span(&key, 1), record, std::span(&state, 1)).ok());
  CHECK(record == RecordOf(1, 2, kRecord));
}

TEST_CASE("a range of mixed hashes is looked through in steps", "[ps][tier]") {
  Fixture fixture;
  std::map<uint64_t, Key> by_hash;
  for (Key key = 0; key < 1000; ++key) {
    fixture.Put(key, key);
    by_hash[SplitMix64(key)] = key;
  }
  const uint64_t first = std::next(by_hash.begin(), 100)->first;
  const uint64_t last = std::next(by_hash.begin(), 699)->first;
  std::vector<Key> seen;
  std::optional<uint64_t> from = first;
  size_t steps = 0;
  while (from) {
    const auto next =
        fixture.table->Scan(*from, last, 64, [&](Key key, auto record, RowState state) {
          CHECK(state == RowState::kClean);
          CHECK(At(record, 0, kRecord) == RecordOf(key, key, kRecord));
          seen.push_back(key);
        });
    REQUIRE(next.ok());
    from = *next;
    ++steps;
  }
  CHECK(steps == 10);
  std::vector<Key> expected;
  for (auto it = by_hash.lower_bound(first); it != by_hash.upper_bound(last); ++it) {
    expected.push_back(it->second);
  }
  CHECK(seen == expected);
  size_t all = 0;
  const auto end = fixture.table->Scan(0, ~uint64_t{0}, 5000, [&](auto...) { ++all; });
  REQUIRE(end.ok());
  CHECK_FALSE(end->has_value());
  CHECK(all == 1000);
}

TEST_CASE("random operations do what they do to a map", "[ps][tier]") {
  const uint64_t seed = std::random_device()();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  Fixture fixture;
  std::map<Key, uint64_t> model;
  uint64_t number = 0;
  const auto random_keys = [&] {
    std::vector<Key> keys;
    const Key first = random() % 30'000;
    const size_t count = random() % 300;
    for (size_t i = 0; i < count; ++i) {
      keys.push_back(first + random() % 600);
    }
    return keys;
  };
  for (int round = 0; round < 2000; ++round) {
    std::vector<Key> keys = random_keys();
    const auto kind = random() % 10;
    if (kind < 5) {
      std::sort(keys.begin(), keys.end());
      keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
      std::erase_if(keys, [&](Key key) { return model.contains(key); });
      std::shuffle(keys.begin(), keys.end(), random);
      std::vector<std::byte> records;
      for (const Key key : keys) {
        model[key] = ++number;
        Append(records, RecordOf(key, number, kRecord));
      }
      const std::vector<RowState> states(keys.size(), RowState::kClean);
      REQUIRE(fixture.table->Put(keys, records, states, ColdTable::WhenBusy::kWait).ok());
      continue;
    }
    std::vector<std::byte> records(keys.size() * kRecord);
    std::vector<RowState> states(keys.size());
    if (kind < 6) {
      REQUIRE(fixture.table->Erase(keys, states).ok());
    } else if (kind < 8) {
      REQUIRE(fixture.table->Get(keys, records, states).ok());
    } else {
      REQUIRE(fixture.table->Take(keys, records, states).ok());
    }
    for (size_t i = 0; i < keys.size(); ++i) {
      const auto row = model.find(keys[i]);
      REQUIRE((states[i] != RowState::kNone) == (row != model.end()));
      if (row == model.end()) {
        continue;
      }
      if (kind >= 6) {
        REQUIRE(At(records, i, kRecord) == RecordOf(keys[i], row->second, kRecord));
      }
      if (kind < 6 || kind >= 8) {
        model.erase(row);
      }
    }
    REQUIRE(fixture.table->rows() == model.size());
    if (round % 500 == 499) {
      fixture.table->Clear();
      model.clear();
    }
  }
  std::map<Key, uint64_t> scanned;
  std::optional<uint64_t> from = 0;
  while (from) {
    const auto next = fixture.table->Scan(*from, ~uint64_t{0}, 1000, [&](Key key, auto, RowState) {
      REQUIRE(scanned.emplace(key, model.at(key)).second);
    });
    REQUIRE(next.ok());
    from = *next;
  }
  CHECK(scanned == model);
}

}  // namespace
}  // namespace freshet::ps::test
