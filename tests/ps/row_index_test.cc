#include "ps/row_index.h"

#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "ps/key_stream.h"

namespace freshet::ps {
namespace {

using Model = std::map<Key, RowSlot>;

// An index and a std::map under the same random operations; slots are given out as a store does.
class RandomRun {
 public:
  RandomRun(uint64_t seed, bool crowded) : random_(seed), crowded_(crowded) {}

  void Run(size_t operations) {
    for (size_t i = 0; i < operations; ++i) {
      const bool grows = i / 20'000 % 2 == 0;
      const uint64_t draw = random_() % 10;
      if (draw < (grows ? 7U : 3U)) {
        Insert(NewKey());
      } else if (draw < 9) {
        Erase();
      } else {
        Find();
      }
      if (i % 9'973 == 0) {
        CheckWalk();
      }
      if (i % 997 == 0) {
        CheckSteps<RowIndex::Simd::kNone>();
        CheckSteps<RowIndex::Simd::kAvx2>();
        CheckSteps<RowIndex::Simd::kAvx512>();
        CheckStream();
      }
    }
    CheckWalk();
    for (const auto& [key, slot] : model_) {
      REQUIRE(index_.Find(key) == slot);
    }
  }

  size_t size() const { return model_.size(); }

 private:
  static constexpr size_t kStepKeys = 16;

  Key NewKey() {
    if (random_() % 4 == 0) {
      return random_() % 100;
    }
    // A crowd: hashes that begin with twenty zeros all have the same home.
    return UnmixSplitMix64(crowded_ && random_() % 2 == 0 ? random_() >> 20U : random_());
  }

  void Insert(Key key) {
    if (model_.contains(key)) {
      return;
    }
    RowSlot slot = static_cast<RowSlot>(model_.size());
    if (!free_.empty()) {
      slot = *free_.begin();
      free_.erase(free_.begin());
    }
    index_.Insert(key, slot);
    model_[key] = slot;
    keys_.push_back(key);
  }

  void Erase() {
    if (keys_.empty()) {
      REQUIRE(index_.Erase(random_()) == kNoRow);
      return;
    }
    std::swap(keys_[random_() % keys_.size()], keys_.back());
    const Key key = keys_.back();
    keys_.pop_back();
    REQUIRE(index_.Erase(key) == model_[key]);
    free_.insert(model_[key]);
    model_.erase(key);
  }

  void Find() {
    const Key key =
        keys_.empty() || random_() % 2 == 0 ? random_() : keys_[random_() % keys_.size()];
    const auto found = model_.find(key);
    REQUIRE(index_.Find(key) == (found == model_.end() ? kNoRow : found->second));
  }

  // Keys that come between the steps make the table grow, or displace those that are looked for.
  template <RowIndex::Simd kSimd>
  void CheckSteps() {
    if (kSimd > RowIndex::BestSimd()) {
      return;
    }
    std::vector<Key> keys;
    for (size_t i = 0; i < kStepKeys; ++i) {
      keys.push_back(keys_.empty() || i % 4 == 0 ? NewKey() : keys_[random_() % keys_.size()]);
    }
    std::vector<RowSlot> slots;
    for (const Key key : keys) {
      index_.FetchHome(SplitMix64(key));
    }
    InsertSome();
    for (const Key key : keys) {
      slots.push_back(index_.FindAtHome<kSimd>(SplitMix64(key)));
    }
    InsertSome();
    for (size_t i = 0; i < keys.size(); ++i) {
      const auto found = model_.find(keys[i]);
      const RowSlot slot =
          slots[i] == kNoRow ? index_.FindFromHome<kSimd>(SplitMix64(keys[i])) : slots[i];
      REQUIRE(slot == (found == model_.end() ? kNoRow : found->second));
    }
  }

  // Rows are made meanwhile: of keys that come twice, too, whose rows are there the second time.
  void CheckStream() {
    std::vector<Key> keys;
    for (size_t i = 0; i < random_() % 200; ++i) {
      keys.push_back(keys_.empty() || i % 4 == 0 ? NewKey() : keys_[random_() % keys_.size()]);
    }
    size_t next = 0;
    ForEachKey(
        index_,
        keys,
        [](RowSlot) {},
        [&](size_t i, RowSlot slot) {
          REQUIRE(i == next++);
          const auto found = model_.find(keys[i]);
          if (slot == kNoRow && found != model_.end()) {
            slot = index_.Find(keys[i]);
          }
          REQUIRE(slot == (found == model_.end() ? kNoRow : found->second));
          Insert(keys[i]);
        });
    REQUIRE(next == keys.size());
  }

  void InsertSome() {
    for (size_t i = 0; i < 50; ++i) {
      Insert(NewKey());
    }
  }

  // In steps, and by ranges of hashes: each key once, and no other.
  void CheckWalk() {
    Model walked;
    uint64_t from = 0;
    do {
      from = index_.Walk(
          from, 100, [&](Key key, RowSlot slot) { REQUIRE(walked.emplace(key, slot).second); });
    } while (from != 0);
    REQUIRE(walked == model_);
    const uint64_t first = random_();
    const uint64_t last = first + random_() % (UINT64_MAX - first);
    Model within;
    index_.ForEach(first, last, [&](Key key, RowSlot slot) { within.emplace(key, slot); });
    for (const auto& [key, slot] : model_) {
      const uint64_t hash = SplitMix64(key);
      REQUIRE(within.contains(key) == (hash >= first && hash <= last));
    }
  }

  std::mt19937_64 random_;
  const bool crowded_;
  RowIndex index_;
  Model model_;
  std::vector<Key> keys_;
  std::set<RowSlot> free_;
};

TEST_CASE("an index does what a std::map does while it grows and shrinks", "[ps]") {
  for (const uint64_t seed : {1, 2, 3, 4}) {
    CAPTURE(seed);
    RandomRun(seed, false).Run(60'000);
  }
}

TEST_CASE("keys that somebody chose to have the same home are held like others", "[ps]") {
  for (const uint64_t seed : {5, 6}) {
    CAPTURE(seed);
    RandomRun(seed, true).Run(20'000);
  }
}

// A key that finds no place while its home moves ends the growth at once: in the middle of a move.
TEST_CASE("crowds of keys stay what they are while the index grows", "[ps]") {
  for (const uint64_t seed : {1, 2, 3, 4, 5, 6}) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    RowIndex index;
    Model model;
    const auto insert = [&](uint64_t hash) {
      const Key key = UnmixSplitMix64(hash);
      if (model.emplace(key, static_cast<RowSlot>(model.size())).second) {
        index.Insert(key, model[key]);
      }
    };
    for (int crowd = 0; crowd < 400; ++crowd) {
      const uint64_t base = random();
      for (uint64_t i = 60 + random() % 60; i > 0; --i) {
        insert(base + i);
      }
      for (int i = 0; i < 500; ++i) {
        insert(random());
      }
    }
    Model walked;
    index.ForEach(0, UINT64_MAX, [&](Key key, RowSlot slot) { walked[key] = slot; });
    REQUIRE((walked == model));
    for (const auto& [key, slot] : model) {
      REQUIRE(index.Find(key) == slot);
    }
  }
}

TEST_CASE("every 64-bit key can be held", "[ps]") {
  RowIndex index;
  const std::vector<Key> keys = {0,
                                 1,
                                 UINT64_MAX,
                                 UINT64_MAX - 1,
                                 UnmixSplitMix64(0),
                                 UnmixSplitMix64(UINT64_MAX),
                                 0x8000000000000000U};
  for (size_t i = 0; i < keys.size(); ++i) {
    CHECK(index.Find(keys[i]) == kNoRow);
    index.Insert(keys[i], static_cast<RowSlot>(i));
  }
  for (size_t i = 0; i < keys.size(); ++i) {
    CHECK(index.Find(keys[i]) == static_cast<RowSlot>(i));
  }
}

TEST_CASE("an index of many keys takes at most 14 bytes for each", "[ps]") {
  RowIndex index;
  for (RowSlot slot = 0; slot < 1'000'000; ++slot) {
    index.Insert(SplitMix64(slot), slot);
    if (slot > 100'000 && slot % 10'000 == 0) {
      REQUIRE(index.bytes() <= 14 * index.size());
    }
  }
}

TEST_CASE("a row that moved is found at its new slot", "[ps]") {
  RowIndex index;
  for (RowSlot slot = 0; slot < 1000; ++slot) {
    index.Insert(slot, slot);
  }
  for (RowSlot slot = 0; slot < 1000; ++slot) {
    index.SetSlot(slot, 999 - slot);
  }
  for (RowSlot slot = 0; slot < 1000; ++slot) {
    CHECK(index.Find(slot) == 999 - slot);
  }
}

}  // namespace
}  // namespace freshet::ps
