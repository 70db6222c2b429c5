#include "ps/life/counting_bloom.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <random>

#include "common/version_log/sort_columns.h"

namespace freshet::ps {
namespace {

const PartitionMap kPartitions(8, 1);

bool OwnsAll(PartitionId /*partition*/) {
  return true;
}

using Blocks = std::map<uint64_t, std::vector<uint8_t>>;

Blocks BlocksOf(const FilterBlocks& cut) {
  Blocks blocks;
  for (size_t i = 0; i < cut.blocks.size(); ++i) {
    const auto begin = cut.counters.begin() + static_cast<std::ptrdiff_t>(i * 64);
    blocks[cut.blocks[i]] = {begin, begin + 64};
  }
  return blocks;
}

FilterBlocks CutAll(CountingBloom& filter, bool full, bool committed = true) {
  const uint64_t count = filter.BeginCut(full);
  while (filter.CopyCut(7)) {
  }
  FilterBlocks cut = filter.TakeCut();
  SortByBlock(cut);
  CHECK(cut.blocks.size() == count);
  CHECK(std::is_sorted(cut.blocks.begin(), cut.blocks.end()));
  filter.EndCut(committed);
  return cut;
}

// One number of probes and of keys for a block can be worked out by hand.
TEST_CASE("false positives of a block are those of the formula", "[ps][life]") {
  CHECK(BlockedFalsePositives(0, 4) == Approx(0).margin(1e-12));
  // One probe: a key is missed if none of i keys took its counter: sum of Poisson (63/64)^i.
  for (const double mean : {0.5, 4.0, 40.0}) {
    CHECK(BlockedFalsePositives(mean, 1) == Approx(1 - std::exp(-mean / 64)).epsilon(1e-9));
  }
  CHECK(BlockedFalsePositives(1000, 3) == Approx(1));
}

TEST_CASE("a filter's size stays what it was", "[ps][life]") {
  // Golden: a version's blocks are numbered by it.
  const BloomSize one_percent = SizeBloom(1'000'000, 0.01);
  CHECK(one_percent.probes == 5);
  CHECK(one_percent.keys_per_block_64 == 340);
  CHECK(one_percent.blocks == (1'000'000 * 64 + 340 - 1) / 340);
  CHECK(SizeBloom(1, 1e-4).blocks == 1);
  CHECK(SizeBloom(uint64_t{1} << 32U, 1e-4).blocks < UINT32_MAX);
  CHECK(SizeBloom(1000, 0.5).blocks < SizeBloom(1000, 0.01).blocks);
}

TEST_CASE("where a key counts stays where it was", "[ps][life]") {
  CountingBloom filter(kPartitions, 1000, 0.01);
  filter.Add(0x123456789abcdef0U, 3);
  const FilterBlocks cut = CutAll(filter, false);
  REQUIRE(cut.blocks.size() == 1);
  CHECK(cut.blocks[0] == 2);
  std::vector<int> at;
  for (int i = 0; i < 64; ++i) {
    if (cut.counters[static_cast<size_t>(i)] == 3) {
      at.push_back(i);
    }
  }
  CHECK(at == std::vector<int>{3, 21, 25, 46, 52});
}

TEST_CASE("a full filter has no more false positives than were asked for", "[ps][life]") {
  for (const double asked : {0.05, 0.01, 0.001}) {
    for (const uint64_t seed : {1, 2}) {
      CAPTURE(asked, seed);
      std::mt19937_64 random(seed);
      constexpr uint64_t kKeys = 200'000;
      CountingBloom filter(PartitionMap(64, 1), kKeys, asked);
      for (uint64_t i = 0; i < kKeys; ++i) {
        filter.Add(random(), 1);
      }
      constexpr uint64_t kAsked = 2'000'000;
      uint64_t wrong = 0;
      for (uint64_t i = 0; i < kAsked; ++i) {
        wrong += filter.Estimate(random()) > 0 ? 1 : 0;
      }
      const double measured = static_cast<double>(wrong) / kAsked;
      INFO("asked " << asked << ", measured " << measured << ", bytes a key "
                    << static_cast<double>(filter.bytes()) / kKeys);
      CHECK(measured <= asked);
      CHECK(measured >= asked * 0.8);  // and is not larger than it must be
    }
  }
}

TEST_CASE("the estimate is never too low", "[ps][life]") {
  std::mt19937_64 random(7);
  CountingBloom filter(kPartitions, 500, 0.1);
  std::map<Key, uint32_t> exact;
  for (int i = 0; i < 3000; ++i) {
    const Key key = SplitMix64(random() % 1000);
    const auto n = static_cast<uint32_t>(1 + random() % 3);
    exact[key] += n;
    REQUIRE(filter.Add(key, n) >= std::min(exact[key], CountingBloom::kMostCount));
  }
  for (const auto& [key, count] : exact) {
    REQUIRE(filter.Estimate(key) >= std::min(count, CountingBloom::kMostCount));
  }
}

TEST_CASE("what is removed is gone, and counters that stopped stay", "[ps][life]") {
  CountingBloom filter(kPartitions, 1000, 0.01);
  CHECK(filter.Estimate(5) == 0);
  CHECK(filter.Add(5, 3) == 3);
  CHECK(filter.Add(5, 2) == 5);
  filter.Remove(5);
  CHECK(filter.Estimate(5) == 0);
  CHECK(CutAll(filter, true).blocks.empty());
  CHECK(filter.Add(5, 1000) == 255);
  filter.Remove(5);
  CHECK(filter.Estimate(5) == 255);
}

TEST_CASE("only partitions with keys take memory", "[ps][life]") {
  CountingBloom filter(kPartitions, 1'000'000, 0.01);
  const uint64_t empty = filter.bytes();
  CHECK(empty < 10'000);
  filter.Add(0, 1);
  const uint64_t one = filter.bytes() - empty;
  CHECK(one > filter.blocks_per_partition() * 64);
  CHECK(one < filter.blocks_per_partition() * 66);
  filter.Add(1, 1);  // of the same partition
  CHECK(filter.bytes() - empty == one);
}

TEST_CASE("blocks move with their partitions", "[ps][life]") {
  std::mt19937_64 random(3);
  const PartitionMap one(8, 1);
  const PartitionMap three(8, 3);
  CountingBloom filter(one, 2000, 0.01);
  std::vector<Key> keys;
  for (int i = 0; i < 2000; ++i) {
    keys.push_back(random());
    filter.Add(keys.back(), static_cast<uint32_t>(1 + random() % 3));
  }
  const FilterBlocks base = CutAll(filter, true);
  for (uint32_t server = 0; server < 3; ++server) {
    CountingBloom part(three, 2000, 0.01);
    REQUIRE(
        part.Load(base, [&](PartitionId partition) { return three.ServerOf(partition) == server; })
            .ok());
    for (const Key key : keys) {
      const bool ours = three.ServerOfKey(key) == server;
      REQUIRE(part.Estimate(key) == (ours ? filter.Estimate(key) : 0));
    }
    CHECK(CutAll(part, false).blocks.empty());  // what was loaded is clean
  }
}

TEST_CASE("blocks that the filter cannot have are refused", "[ps][life]") {
  CountingBloom filter(kPartitions, 1000, 0.01);
  FilterBlocks blocks{.blocks = {8 * filter.blocks_per_partition()},
                      .counters = std::vector<uint8_t>(64)};
  CHECK(absl::IsDataLoss(filter.Load(blocks, OwnsAll)));
  blocks = {.blocks = {0}, .counters = std::vector<uint8_t>(63)};
  CHECK(absl::IsDataLoss(filter.Load(blocks, OwnsAll)));
}

// Random operations; what a reader of the committed cuts has is compared with the filter as it was
// at the flip, and from time to time the filter is replaced by one that was loaded.
class RandomRun {
 public:
  explicit RandomRun(uint64_t seed) : random_(seed), filter_(Fresh()) {}

  void Run(int operations) {
    for (int i = 0; i < operations; ++i) {
      const Key key = SplitMix64(random_() % 300);
      switch (random_() % 8) {
        case 0:
          filter_->Remove(key);
          break;
        case 1:
          AdvanceCut();
          break;
        default:
          filter_->Add(key, static_cast<uint32_t>(1 + random_() % 3));
      }
    }
  }

  int committed = 0;
  int given_up = 0;

 private:
  static std::unique_ptr<CountingBloom> Fresh() {
    return std::make_unique<CountingBloom>(kPartitions, 600, 0.01);
  }

  // All that is not 0, by way of estimates of a copy: a full cut would disturb the cut under way.
  std::vector<uint32_t> Estimates(const CountingBloom& filter) const {
    std::vector<uint32_t> estimates;
    for (uint64_t i = 0; i < 300; ++i) {
      estimates.push_back(filter.Estimate(SplitMix64(i)));
    }
    return estimates;
  }

  void AdvanceCut() {
    if (!snapshot_) {
      full_ = random_() % 3 == 0;
      snapshot_ = Estimates(*filter_);
      size_ = filter_->BeginCut(full_);
    } else if (random_() % 30 == 0) {
      filter_->EndCut(false);
      snapshot_.reset();
      ++given_up;
    } else if (!filter_->CopyCut(9)) {
      EndCut();
    }
  }

  void EndCut() {
    const FilterBlocks cut = filter_->TakeCut();
    const Blocks blocks = BlocksOf(cut);
    REQUIRE(cut.blocks.size() == size_);
    REQUIRE(blocks.size() == size_);
    const bool commit = random_() % 4 != 0;
    filter_->EndCut(commit);
    if (commit) {
      if (full_) {
        replica_.clear();
      }
      for (const auto& [number, counters] : blocks) {
        replica_[number] = counters;
      }
      auto loaded = Fresh();
      FilterBlocks all;
      for (const auto& [number, counters] : replica_) {
        all.blocks.push_back(number);
        all.counters.insert(all.counters.end(), counters.begin(), counters.end());
      }
      REQUIRE(loaded->Load(all, OwnsAll).ok());
      REQUIRE(Estimates(*loaded) == *snapshot_);
      if (random_() % 3 == 0) {  // a rewind
        filter_ = std::move(loaded);
      }
    }
    snapshot_.reset();
    (commit ? committed : given_up) += 1;
  }

  std::mt19937_64 random_;
  std::unique_ptr<CountingBloom> filter_;
  Blocks replica_;
  std::optional<std::vector<uint32_t>> snapshot_;
  uint64_t size_ = 0;
  bool full_ = false;
};

TEST_CASE("cuts rebuild the filter, deltas and bases, committed or not", "[ps][life]") {
  for (const uint64_t seed : {1, 2, 3, 4}) {
    CAPTURE(seed);
    RandomRun run(seed);
    run.Run(20'000);
    CHECK(run.committed > 20);
    CHECK(run.given_up > 10);
  }
}

TEST_CASE("a block that became zero is in the next delta, also after a base that failed",
          "[ps][life]") {
  CountingBloom filter(kPartitions, 1000, 0.01);
  filter.Add(5, 1);
  CHECK(CutAll(filter, false).blocks.size() == 1);
  filter.Remove(5);
  CHECK(CutAll(filter, true, false).blocks.empty());
  const FilterBlocks delta = CutAll(filter, false);
  REQUIRE(delta.blocks.size() == 1);
  CHECK(delta.counters == std::vector<uint8_t>(64, 0));
  CHECK(CutAll(filter, false).blocks.empty());
}

}  // namespace
}  // namespace freshet::ps
