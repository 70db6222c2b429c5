#include "ps/split.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <tuple>

#include "common/buffer.h"
#include "common/feature_life.h"
#include "tests/ps/models.h"

namespace freshet::ps {
namespace {

constexpr uint32_t kSlots = 5;

proto::ModelSpec ModelWithSlots() {
  proto::ModelSpec model = test::SmallModel();
  for (uint32_t slot = 0; slot < kSlots; ++slot) {
    model.add_slots()->set_name(fmt::format("slot-{}", slot));
  }
  return model;
}

// What a push has for a key: variable, slot, key, its first gradient, shows.
using Entry = std::tuple<uint32_t, uint32_t, Key, float, float>;

// A push of random runs, whose gradients and counts are numbers of their own.
struct RandomPush {
  RandomPush(const proto::ModelSpec& model, std::mt19937& random) {
    std::vector<Key> keys;
    std::vector<float> gradients;
    std::vector<KeyCount> counts;
    const auto below = [&random](uint32_t end) { return static_cast<uint32_t>(random() % end); };
    const uint32_t run_count = below(8);
    for (uint32_t run = 0; run < run_count; ++run) {
      proto::KeyRun& added = *request.add_runs();
      added.set_variable(below(2));
      added.set_slot(below(kSlots));
      added.set_keys(below(40));
      const uint32_t dim = model.embedding_variables(static_cast<int>(added.variable())).dim();
      for (uint32_t i = 0; i < added.keys(); ++i) {
        const auto number = static_cast<float>(keys.size() + 1);
        keys.push_back((Key{random()} << 32U) | random());
        gradients.insert(gradients.end(), dim, number);
        counts.push_back({.shows = 1000.0F + number});
        entries.emplace_back(
            added.variable(), added.slot(), keys.back(), number, counts.back().shows);
      }
    }
    request.add_dense(1);
    gradients.insert(gradients.end(), 5, -1.0F);
    floats = gradients.size();
    payload = Buffer(keys.size() * sizeof(Key) + floats * sizeof(float) +
                     counts.size() * sizeof(KeyCount));
    std::copy(keys.begin(), keys.end(), payload.as<Key>(0, keys.size()).begin());
    std::copy(gradients.begin(),
              gradients.end(),
              payload.as<float>(keys.size() * sizeof(Key), floats).begin());
    std::copy(
        counts.begin(),
        counts.end(),
        payload.as<KeyCount>(keys.size() * sizeof(Key) + floats * sizeof(float), counts.size())
            .begin());
  }

  proto::PushRequest request;
  Buffer payload;
  size_t floats = 0;
  std::vector<Entry> entries;
};

// What one owner is given, read as a table reads it.
void Collect(const OwnedRun& run,
             uint32_t dim,
             std::span<const float> floats,
             std::span<const KeyCount> counts,
             std::vector<Entry>* entries) {
  const auto gradients = floats.subspan(run.first_float, run.floats);
  const auto of_run = counts.subspan(run.first_key, run.run_keys);
  CHECK(gradients.size() == of_run.size() * dim);
  for (size_t i = 0; i < run.keys.size(); ++i) {
    const size_t position = run.positions.empty() ? i : run.positions[i];
    entries->emplace_back(run.variable,
                          run.slot,
                          run.keys[i],
                          gradients[position * dim + dim - 1],
                          of_run[position].shows);
  }
}

TEST_CASE("every key of a push comes to its owner with its slot, gradient and count", "[ps]") {
  const uint32_t owner_threads = GENERATE(1U, 2U, 5U);
  const proto::ModelSpec model = ModelWithSlots();
  const PartitionMap partitions(64, 1);
  const Ownership ownership(partitions, 0, owner_threads);
  std::mt19937 random(owner_threads);
  for (int round = 0; round < 100; ++round) {
    RandomPush push(model, random);
    const auto split = SplitByOwner(
        model, ownership, push.request.runs(), push.request.dense(), push.payload.bytes());
    REQUIRE(split.ok());
    REQUIRE(split->keys == push.entries.size());
    REQUIRE(split->floats == push.floats);
    const auto floats =
        std::as_const(push.payload).as<float>(split->keys * sizeof(Key), split->floats);
    const auto counts =
        std::as_const(push.payload)
            .as<KeyCount>(split->keys * sizeof(Key) + split->floats * sizeof(float), split->keys);
    std::vector<Entry> got;
    for (uint32_t owner = 0; owner < owner_threads; ++owner) {
      for (const OwnedRun& run : split->by_owner[owner]) {
        for (const Key key : run.keys) {
          REQUIRE(ownership.ThreadOf(partitions.PartitionOf(key)) == owner);
        }
        const auto& variable = model.embedding_variables(static_cast<int>(run.variable));
        Collect(run, variable.dim(), floats, counts, &got);
      }
    }
    std::sort(got.begin(), got.end());
    std::sort(push.entries.begin(), push.entries.end());
    CHECK(got == push.entries);
  }
}

TEST_CASE("the keys that a server owns are those of its partitions", "[ps]") {
  const uint32_t partitions = GENERATE(1U, 3U, 64U, 1000U, 65'536U);
  const uint32_t servers = GENERATE(1U, 2U, 3U, 7U);
  const PartitionMap map(partitions, servers);
  std::mt19937_64 random(partitions);
  std::vector<Key> keys = {0, 1, UINT64_MAX - 1, UINT64_MAX};
  for (int i = 0; i < 300; ++i) {
    keys.push_back(random());
    // On both sides of a border.
    const uint64_t border = static_cast<uint64_t>(
        (static_cast<unsigned __int128>(random() % partitions) << 64U) / partitions);
    keys.insert(keys.end(), {border - 1, border, border + 1});
  }
  for (uint32_t server = 0; server < servers; ++server) {
    const Ownership ownership(map, server, 1);
    for (const Key key : keys) {
      REQUIRE(ownership.OwnsKey(key) == (map.ServerOfKey(key) == server));
    }
  }
}

TEST_CASE("a run of a slot that the model does not have is refused", "[ps]") {
  const Ownership ownership(PartitionMap(64, 1), 0, 1);
  proto::PushRequest request;
  request.add_runs()->set_slot(kSlots);
  const auto split = SplitByOwner(ModelWithSlots(), ownership, request.runs(), {}, {});
  CHECK(absl::IsInvalidArgument(split.status()));
  CHECK(MessageOf(split.status()) ==
        "embedding variable weights: its run is of slot 5, the model has 5 slots");
  request.mutable_runs(0)->set_slot(kSlots - 1);
  CHECK(SplitByOwner(ModelWithSlots(), ownership, request.runs(), {}, {}).ok());
}

TEST_CASE("a request of too many keys is refused before anything is made of them", "[ps]") {
  const Ownership ownership(PartitionMap(64, 1), 0, 2);
  proto::PushRequest request;
  for (int i = 0; i < 1000; ++i) {
    request.add_runs()->set_keys(UINT32_MAX);
  }
  const auto split = SplitByOwner(ModelWithSlots(), ownership, request.runs(), {}, {});
  CHECK(absl::IsInvalidArgument(split.status()));
  CHECK_THAT(MessageOf(split.status()),
             Catch::Contains("4294967295000 keys, at most 8388608 are allowed"));
}

TEST_CASE("a model without slots has keys of slot 0", "[ps]") {
  const Ownership ownership(PartitionMap(64, 1), 0, 1);
  proto::PushRequest request;
  request.add_runs();
  CHECK(SplitByOwner(test::SmallModel(), ownership, request.runs(), {}, {}).ok());
}

}  // namespace
}  // namespace freshet::ps
