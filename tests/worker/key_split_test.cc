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

TEST_CASE("no key makes no work for any server", "[worker]") {
  const KeySplit split = SplitKeys(PartitionMap(8, 3), {});
  CHECK(split.OfServer(0).empty());
  CHECK(split.OfServer(2).empty());
}

}  // namespace
}  // namespace freshet::worker
