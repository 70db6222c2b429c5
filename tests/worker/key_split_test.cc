#include "worker/key_split.h"

#include <catch2/catch.hpp>
#include <random>

namespace freshet::worker {
namespace {

TEST_CASE("each key goes to the server that owns it, in the order it came", "[worker]") {
  const uint32_t servers = GENERATE(1U, 2U, 3U, 7U);
  const PartitionMap partitions(64, servers);
  std::mt19937_64 random(servers);
  std::vector<Key> keys(500);
  std::generate(keys.begin(), keys.end(), random);
  const KeySplit split = SplitKeys(partitions, keys);
  size_t total = 0;
  for (uint32_t server = 0; server < servers; ++server) {
    const auto indices = split.OfServer(server);
    CHECK(std::is_sorted(indices.begin(), indices.end()));
    total += indices.size();
    for (const uint32_t index : indices) {
      CHECK(partitions.ServerOfKey(keys[index]) == server);
    }
  }
  CHECK(total == keys.size());
}

TEST_CASE("with slots, the keys of a server lie in runs by slot, in the order they came",
          "[worker]") {
  const uint32_t servers = GENERATE(1U, 3U);
  const PartitionMap partitions(64, servers);
  std::mt19937_64 random(servers);
  std::vector<Key> keys(500);
  std::generate(keys.begin(), keys.end(), [&random] { return random(); });
  std::vector<uint16_t> slots(keys.size());
  std::generate(slots.begin(), slots.end(), [&random] { return random() % 7 * 100; });
  const KeySplit split = SplitKeys(partitions, keys, slots);
  size_t total = 0;
  for (uint32_t server = 0; server < servers; ++server) {
    auto indices = split.OfServer(server);
    uint32_t slot_before = 0;
    for (const KeySplit::Run& run : split.RunsOfServer(server)) {
      CHECK(run.keys > 0);
      CHECK((run.slot > slot_before || indices.data() == split.OfServer(server).data()));
      slot_before = run.slot;
      const auto of_run = indices.first(run.keys);
      indices = indices.subspan(run.keys);
      CHECK(std::is_sorted(of_run.begin(), of_run.end()));
      total += of_run.size();
      for (const uint32_t index : of_run) {
        CHECK(slots[index] == run.slot);
        CHECK(partitions.ServerOfKey(keys[index]) == server);
      }
    }
    CHECK(indices.empty());
  }
  CHECK(total == keys.size());
}

TEST_CASE("without slots, the keys of a server are one run", "[worker]") {
  const PartitionMap partitions(64, 2);
  std::vector<Key> keys;
  for (uint64_t i = 0; i < 10; ++i) {
    keys.push_back(SplitMix64(i));
  }
  const KeySplit split = SplitKeys(partitions, keys);
  for (uint32_t server = 0; server < 2; ++server) {
    const auto count = static_cast<uint32_t>(split.OfServer(server).size());
    const auto runs = split.RunsOfServer(server);
    CHECK(runs.size() == (count == 0 ? 0 : 1));
    CHECK((runs.empty() || runs[0] == KeySplit::Run{.slot = 0, .keys = count}));
  }
}

TEST_CASE("no key makes no work for any server", "[worker]") {
  const KeySplit split = SplitKeys(PartitionMap(8, 3), {});
  CHECK(split.OfServer(0).empty());
  CHECK(split.OfServer(2).empty());
  CHECK(split.RunsOfServer(2).empty());
  CHECK(SplitKeys(PartitionMap(8, 3), {}, std::vector<uint16_t>()).runs.empty());
}

}  // namespace
}  // namespace freshet::worker
