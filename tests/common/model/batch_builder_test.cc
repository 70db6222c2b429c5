#include "common/model/batch_builder.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

namespace freshet {
namespace {

Sample SampleOf(std::vector<Key> keys) {
  Sample sample;
  for (const Key key : keys) {
    sample.features.push_back(Feature{.key = key, .value = 2.0F, .slot = 3});
  }
  return sample;
}

TEST_CASE("each distinct key gets one row, in order of first use", "[model]") {
  BatchBuilder builder(1);
  builder.Add(SampleOf({9, 0, 9}), 100, 7);
  builder.Add(SampleOf({}), 101, 9);
  builder.Add(SampleOf({0, ~Key{0}}), 102, 8);
  REQUIRE(builder.size() == 3);
  const Batch batch = builder.Take();
  const SparseInput& input = batch.inputs.at(0);
  CHECK(input.keys == std::vector<Key>{9, 0, ~Key{0}});
  CHECK(input.rows == std::vector<uint32_t>{0, 1, 0, 1, 2});
  CHECK(input.sample_begin == std::vector<uint32_t>{0, 3, 3, 5});
  CHECK(input.values == std::vector<float>(5, 2.0F));
  CHECK(input.slots == std::vector<uint16_t>(5, 3));
  CHECK(batch.sample_ids == std::vector<uint64_t>{100, 101, 102});
  CHECK(batch.newest_arrival_ms == 9);
}

TEST_CASE("a batch carries labels, weights and the largest event time", "[model]") {
  BatchBuilder builder(1);
  Sample sample = SampleOf({1});
  sample.label = 1.0F;
  sample.weight = 3.0F;
  sample.event_time_ms = 50;
  builder.Add(sample, 0, 0);
  sample.label = 0.0F;
  sample.event_time_ms = 20;
  builder.Add(sample, 1, 0);
  const Batch batch = builder.Take();
  CHECK(batch.labels == std::vector<float>{1.0F, 0.0F});
  CHECK(batch.weights == std::vector<float>{3.0F, 3.0F});
  CHECK(batch.max_event_time_ms == 50);
}

TEST_CASE("what was not asked for of keys is not there", "[model]") {
  BatchBuilder builder(1);
  builder.Add(SampleOf({1, 2}), 0, 0);
  const Batch batch = builder.Take();
  CHECK(batch.inputs[0].counts.empty());
  CHECK(batch.inputs[0].key_slots.empty());
}

TEST_CASE("a key is counted once per sample, whatever the sample's weight", "[model]") {
  BatchBuilder builder(1, {.counts = true});
  Sample click = SampleOf({7, 8, 7});
  click.label = 1.0F;
  click.weight = 5.0F;
  const Sample no_click = SampleOf({9, 7, 9});
  for (int batch = 0; batch < 2; ++batch) {
    builder.Add(click, 0, 0);
    builder.Add(no_click, 1, 0);
    builder.Add(no_click, 2, 0);
    const SparseInput input = builder.Take().inputs[0];
    CHECK(input.keys == std::vector<Key>{7, 8, 9});
    CHECK(input.counts == std::vector<KeyCount>{
                              {.shows = 3, .clicks = 1}, {.shows = 1, .clicks = 1}, {.shows = 2}});
    CHECK(input.key_slots.empty());
  }
}

TEST_CASE("each key has the slot of its first use", "[model]") {
  BatchBuilder builder(1, {.slots = true});
  Sample sample;
  sample.features = {{.key = 5, .slot = 2}, {.key = 6, .slot = 0}, {.key = 5, .slot = 1}};
  builder.Add(sample, 0, 0);
  builder.Add(sample, 1, 0);
  CHECK(builder.Take().inputs[0].key_slots == std::vector<uint16_t>{2, 0});
  sample.features = {{.key = 5, .slot = 1}};
  builder.Add(sample, 2, 0);
  const SparseInput next = builder.Take().inputs[0];
  CHECK(next.key_slots == std::vector<uint16_t>{1});
  CHECK(next.counts.empty());
}

TEST_CASE("nothing of a batch is left for the next one", "[model]") {
  BatchBuilder builder(1);
  builder.Add(SampleOf({5, 6}), 0, 99);
  (void)builder.Take();
  CHECK(builder.size() == 0);
  builder.Add(SampleOf({6, 5}), 1, 1);
  const Batch batch = builder.Take();
  CHECK(batch.inputs[0].keys == std::vector<Key>{6, 5});
  CHECK(batch.newest_arrival_ms == 1);
  CHECK(builder.Take().size() == 0);
}

TEST_CASE("rows name the right keys in batches of any size", "[model]") {
  std::mt19937_64 random(11);
  BatchBuilder builder(1);
  for (const size_t samples : {1U, 50U, 3000U, 10U}) {
    std::vector<Key> added;
    for (size_t i = 0; i < samples; ++i) {
      // Keys with equal low bits, which land in the same cell.
      const std::vector<Key> keys = {random() % 4000, (random() % 4000) << 40U};
      added.insert(added.end(), keys.begin(), keys.end());
      builder.Add(SampleOf(keys), i, 0);
    }
    const Batch batch = builder.Take();
    const SparseInput& input = batch.inputs[0];
    std::vector<Key> restored;
    for (const uint32_t row : input.rows) {
      restored.push_back(input.keys.at(row));
    }
    CHECK(restored == added);
    std::vector<Key> unique = input.keys;
    std::sort(unique.begin(), unique.end());
    CHECK(std::adjacent_find(unique.begin(), unique.end()) == unique.end());
  }
}

}  // namespace
}  // namespace freshet
