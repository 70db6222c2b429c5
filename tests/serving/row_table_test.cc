#include "serving/row_table.h"

#include <catch2/catch.hpp>
#include <random>
#include <unordered_map>

namespace freshet::serving {
namespace {

std::vector<float> Copy(std::span<const float> row) {
  return {row.begin(), row.end()};
}

// All rows of `expected`, and nothing else, as far as keys below `keys` go.
void CheckSame(const RowTable& table,
               const std::unordered_map<Key, std::vector<float>>& expected,
               Key keys) {
  REQUIRE(table.size() == expected.size());
  for (Key key = 0; key < keys; ++key) {
    const auto row = expected.find(key);
    if (row == expected.end()) {
      REQUIRE(table.Find(key).empty());
    } else {
      REQUIRE(Copy(table.Find(key)) == row->second);
    }
  }
}

}  // namespace

TEST_CASE("a row table does what a map does", "[serving]") {
  const uint32_t seed = 17;
  INFO("seed " << seed);
  std::mt19937 random(seed);
  constexpr Key kKeys = 6000;
  for (const uint32_t dim : {1U, 3U, 8U}) {
    RowTable table(dim);
    std::unordered_map<Key, std::vector<float>> expected;
    for (int step = 0; step < 60'000; ++step) {
      const Key key = random() % kKeys;
      if (random() % 5 < 3) {
        const std::vector<float> row(dim, static_cast<float>(step));
        table.Set(key, row);
        expected[key] = row;
      } else {
        REQUIRE(table.Erase(key) == (expected.erase(key) == 1));
      }
    }
    CheckSame(table, expected, kKeys);
    RowTable copy = table;
    for (Key key = 0; key < kKeys; ++key) {
      table.Erase(key);
    }
    CHECK(table.size() == 0);
    CheckSame(copy, expected, kKeys);
  }
}

TEST_CASE("all 64-bit values are keys", "[serving]") {
  RowTable table(2);
  const std::vector<Key> keys = {0, 1, ~Key{0}, Key{1} << 63U, 0xffffffffU};
  for (size_t i = 0; i < keys.size(); ++i) {
    CHECK(table.Find(keys[i]).empty());
    table.Set(keys[i], std::vector<float>{static_cast<float>(i), 1.0F});
  }
  for (size_t i = 0; i < keys.size(); ++i) {
    CHECK(table.Find(keys[i])[0] == static_cast<float>(i));
  }
}

TEST_CASE("rows that were erased are used again", "[serving]") {
  RowTable table(4);
  const std::vector<float> row(4, 1.0F);
  for (Key key = 0; key < 10'000; ++key) {
    table.Set(key, row);
  }
  const size_t bytes = table.bytes();
  for (int round = 1; round < 5; ++round) {
    for (Key key = 0; key < 10'000; ++key) {
      table.Erase(key + static_cast<Key>(round - 1) * 10'000);
      table.Set(key + static_cast<Key>(round) * 10'000, row);
    }
  }
  CHECK(table.bytes() <= bytes + 64);  // the list of free rows
}

}  // namespace freshet::serving
