#include "ps/life/capacity.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <set>
#include <tuple>

namespace freshet::ps {
namespace {

using Keys = std::vector<Key>;

TEST_CASE("shares of slices add up to the owner's rows", "[ps][life]") {
  // 1,000,003 rows in the cluster; 3 of 8 partitions: floor(1000003 * 3 / 8).
  const CapacityBound bound{
      .max_bytes = 64'000'192, .bytes_per_row = 64, .partitions = 3, .all_partitions = 8};
  for (const uint32_t slices : {1U, 3U, 1000U, 2'000'000U}) {
    uint64_t sum = 0;
    for (uint32_t step = 0; step < slices; ++step) {
      for (const HashRange& range : RangesToJudge(step, step + 1, slices)) {
        sum += RowShare(bound, range);
      }
    }
    CHECK(sum == 375'001);
  }
}

TEST_CASE("the largest bounds do not overflow", "[ps][life]") {
  const CapacityBound bound{
      .max_bytes = UINT64_MAX, .bytes_per_row = 1, .partitions = 8, .all_partitions = 8};
  CHECK(RowShare(bound, {.begin = 0, .end_inclusive = UINT64_MAX}) == UINT64_MAX);
  CHECK(RowShare(bound, {.begin = uint64_t{1} << 63U, .end_inclusive = UINT64_MAX}) == uint64_t{1}
                                                                                           << 63U);
}

TEST_CASE("the oldest rows go, or those seen least; ties by key", "[ps][life]") {
  const std::vector<CapacityRow> rows = {
      {.key = 9, .frequency = 1, .last_update = 30},
      {.key = 4, .frequency = 5, .last_update = 10},
      {.key = 3, .frequency = 5, .last_update = 10},
      {.key = 8, .frequency = 1, .last_update = 40},
  };
  CHECK(BeyondCapacity(rows, 4, proto::Capacity::LRU).empty());
  CHECK(BeyondCapacity(rows, 3, proto::Capacity::LRU) == Keys{3});
  CHECK(BeyondCapacity(rows, 1, proto::Capacity::LRU) == Keys{3, 4, 9});
  CHECK(BeyondCapacity(rows, 3, proto::Capacity::LFU) == Keys{9});
  CHECK(BeyondCapacity(rows, 1, proto::Capacity::LFU) == Keys{3, 8, 9});
  CHECK(BeyondCapacity(rows, 0, proto::Capacity::LFU) == Keys{3, 4, 8, 9});
}

TEST_CASE("what goes does not depend on the order of the rows", "[ps][life]") {
  std::mt19937_64 random(1);
  std::vector<CapacityRow> rows;
  for (Key key = 0; key < 500; ++key) {
    rows.push_back({.key = random(),
                    .frequency = static_cast<uint32_t>(random() % 4),
                    .last_update = static_cast<uint32_t>(random() % 4)});
  }
  for (const auto strategy : {proto::Capacity::LRU, proto::Capacity::LFU}) {
    auto sorted = rows;
    std::sort(sorted.begin(), sorted.end(), [&](const CapacityRow& a, const CapacityRow& b) {
      const uint32_t frequency_a = strategy == proto::Capacity::LFU ? a.frequency : 0;
      const uint32_t frequency_b = strategy == proto::Capacity::LFU ? b.frequency : 0;
      return std::tie(frequency_a, a.last_update, a.key) <
             std::tie(frequency_b, b.last_update, b.key);
    });
    for (int round = 0; round < 20; ++round) {
      std::shuffle(rows.begin(), rows.end(), random);
      const uint64_t share = random() % 500;
      std::set<Key> expected;
      for (size_t i = 0; i < 500 - share; ++i) {
        expected.insert(sorted[i].key);
      }
      REQUIRE(BeyondCapacity(rows, share, strategy) == Keys(expected.begin(), expected.end()));
    }
  }
}

}  // namespace
}  // namespace freshet::ps
