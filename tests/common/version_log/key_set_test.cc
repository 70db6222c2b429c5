#include "common/version_log/key_set.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <iterator>
#include <numeric>
#include <random>
#include <set>

namespace freshet::test {
namespace {

TEST_CASE("a set of keys has what a std::set has", "[log]") {
  std::mt19937_64 random(20);
  KeySet keys;
  std::set<Key> expected;
  for (int i = 0; i < 20'000; ++i) {
    const Key key = random() % 2 == 0 ? random() : random() % 30'000;
    if (random() % 2 == 0) {
      keys.insert(key);
      expected.insert(key);
    }
    REQUIRE(keys.contains(key) == expected.contains(key));
  }
  CHECK(keys.size() == expected.size());
  CHECK(std::set<Key>(keys.begin(), keys.end()) == expected);
  std::vector<Key> all(30'000);
  std::iota(all.begin(), all.end(), Key{0});
  std::vector<uint32_t> picked = {1, 2, 3};
  keys.Pick(all, &picked);
  std::vector<uint32_t> expected_picked;
  std::copy_if(all.begin(), all.end(), std::back_inserter(expected_picked), [&](Key key) {
    return expected.contains(key);
  });
  CHECK(picked == expected_picked);
  KeySet().Pick(all, &picked);
  CHECK(picked.empty());
}

}  // namespace
}  // namespace freshet::test
