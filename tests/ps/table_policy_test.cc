// What a feature policy does to an embedding table, case by case; table_model_test.cc has the rest.
#include <catch2/catch.hpp>
#include <vector>

#include "ps/embedding_table.h"
#include "tests/ps/models.h"
#include "tests/ps/random_features.h"

namespace freshet::ps {
namespace {

using test::CutOf;
using test::kDim;

TEST_CASE("a key that is not admitted reads the policy's default, and learns nothing", "[ps]") {
  proto::EmbeddingVariable variable = test::EmbeddingOf("v", kDim, test::AdagradOf(0.1F));
  variable.mutable_policy()->mutable_rules()->mutable_admission()->set_filter_freq(3);
  variable.mutable_policy()->set_default_value_no_permission(0.5F);
  EmbeddingTable table(variable);
  const std::vector<Key> keys = {7};
  const std::vector<float> gradient(kDim, 1.0F);
  std::vector<float> value(kDim);
  for (int push = 0; push < 2; ++push) {
    REQUIRE(table.Push(keys, {}, gradient, {}).ok());
    REQUIRE(table.Pull(keys, {}, value).ok());
    CHECK(value == std::vector<float>(kDim, 0.5F));
    CHECK(table.rows() == 0);
  }
  CHECK(table.candidates() == 1);
  REQUIRE(table.Push(keys, {}, gradient, {}).ok());
  REQUIRE(table.Pull(keys, {}, value).ok());
  CHECK(value != std::vector<float>(kDim, 0.5F));
  CHECK(table.rows() == 1);
  CHECK(table.candidates() == 0);
  CHECK(*table.Delete(keys) == 1);
  REQUIRE(table.Push(keys, {}, gradient, {}).ok());
  CHECK(table.rows() == 0);  // it starts again from nothing
}

TEST_CASE("a table tells what it knows of a key, with and without a row", "[ps]") {
  proto::EmbeddingVariable variable = test::EmbeddingOf("v", kDim, test::AdagradOf(0.1F));
  variable.mutable_policy()->mutable_rules()->mutable_admission()->set_filter_freq(2);
  EmbeddingTable table(variable);
  const std::vector<Key> keys = {7};
  const std::vector<float> gradient(kDim, 1.0F);
  CHECK(table.Explain(7, 0)->front() == "no row");
  REQUIRE(table.Push(keys, {}, gradient, {.event_time_s = 90}).ok());
  CHECK(table.Explain(7, 0)->front() == "no row");
  REQUIRE(table.Push(keys, {}, gradient, {.event_time_s = 90}).ok());
  CHECK(table.Explain(7, 0)->front() ==
        "row in memory: frequency 2, last update 90 (event time, Unix seconds), changed since the "
        "last version");
}

TEST_CASE("an evicted row is a tombstone in the next cut", "[ps]") {
  proto::EmbeddingVariable variable = test::EmbeddingOf("v", kDim, test::AdagradOf(0.1F));
  variable.mutable_policy()->mutable_rules()->mutable_eviction()->set_steps_to_live(5);
  variable.mutable_policy()->set_evict_every_steps(1);
  EmbeddingTable table(variable);
  const std::vector<float> gradient(kDim, 1.0F);
  REQUIRE(table.Advance({.step = 1}).ok());
  REQUIRE(table.Push(std::vector<Key>{1}, {}, gradient, {.step = 1}).ok());
  CutOf(table, false);
  REQUIRE(table.Advance({.step = 6}).ok());
  CHECK(table.rows() == 1);
  CHECK(table.WouldEvict()->by_reason[static_cast<size_t>(EvictReason::kStepsToLive)] == 0);
  REQUIRE(table.Advance({.step = 7}).ok());
  CHECK(table.rows() == 0);
  CHECK(table.evicted().by_reason[static_cast<size_t>(EvictReason::kStepsToLive)] == 1);
  CHECK(CutOf(table, false).tombstones == std::vector<Key>{1});
}

TEST_CASE("memory of rows that are gone is given back", "[ps]") {
  EmbeddingTable table(test::EmbeddingOf("v", kDim, test::AdagradOf(0.1F)));
  std::vector<Key> keys;
  for (Key i = 0; i < 100'000; ++i) {
    keys.push_back(SplitMix64(i));
  }
  REQUIRE(table.Push(keys, {}, std::vector<float>(keys.size() * kDim, 1.0F), {}).ok());
  CutOf(table, false);
  const uint64_t before = table.bytes();
  // Every tenth stays: the rows are all over the memory.
  std::vector<Key> staying;
  std::vector<Key> going;
  for (size_t i = 0; i < keys.size(); ++i) {
    (i % 10 == 0 ? staying : going).push_back(keys[i]);
  }
  std::vector<float> expected(staying.size() * kDim);
  REQUIRE(table.Push(staying, {}, expected, {.event_time_s = 9})
              .ok());  // dirty, and with a zero gradient
  REQUIRE(table.Pull(staying, {}, expected).ok());
  CHECK(*table.Delete(going) == going.size());
  while (table.Tidy()) {
  }
  const EmbeddingRows cut = CutOf(table, false);
  CHECK(cut.keys.size() == staying.size());
  CHECK(cut.tombstones.size() == going.size());
  std::vector<float> got(expected.size());
  REQUIRE(table.Pull(staying, {}, got).ok());
  CHECK(got == expected);
  CHECK(table.rows() == staying.size());
  CHECK(table.bytes() < before / 2);
}

}  // namespace
}  // namespace freshet::ps
