// An embedding table beside a std::map: every policy, kind of value and storage drawn at random;
// cuts that are committed or given up, and the table taken back to the last one at any moment.
#include "tests/ps/table_model.h"

#include <catch2/catch.hpp>
#include <cstdio>
#include <random>
#include <variant>
#include <vector>

#include "tests/ps/tier/scratch.h"

namespace freshet::ps {
namespace {

using test::kDim;
using test::kSlots;
using test::RandomPush;
using test::TableModel;

class RandomRun {
 public:
  // `store`: null for a table that has all rows in memory.
  RandomRun(uint64_t seed, ColdStore* store)
      : random_(seed),
        variable_(test::RandomVariable(random_, seed % 3 == 0, seed % 2 == 0)),
        store_(store),
        model_(variable_) {
    MakeTable();
  }

  void Run(uint64_t steps) {
    for (uint64_t i = 0; i < steps; ++i) {
      switch (random_() % 12) {
        case 0:
          Delete();
          break;
        case 1:
          ComparePull();
          break;
        case 2:
        case 3:
          AdvanceCut();
          break;
        case 4:
          Announce();
          break;
        case 5:
          Demote();
          break;
        case 6:
          if (random_() % 4 == 0) {
            Rewind();
          }
          break;
        default:
          Push();
      }
      REQUIRE(table_->rows() == model_.rows());
      REQUIRE(table_->candidates() == model_.candidates());
    }
    Finish();
  }

  // Keys pushed, pulled, deleted, announced.
  uint64_t operations() const { return operations_; }

  uint64_t evicted() const { return model_.evicted(); }

  uint64_t went_down() const { return went_down_; }

  uint64_t rewinds() const { return rewinds_; }

  uint64_t cuts() const { return cuts_; }

 private:
  using Step = std::variant<RandomPush, std::vector<Key>>;  // a push, or keys deleted

  void MakeTable() {
    table_ = nullptr;  // before the next one takes the store
    table_ = std::make_unique<EmbeddingTable>(variable_, KeyShare(), store_);
  }

  std::vector<Key> SomeKeys(uint32_t slot) {
    std::set<Key> keys;
    for (size_t i = random_() % 40; i > 0; --i) {
      keys.insert(SplitMix64(random_() % 600 * kSlots + slot));
    }
    operations_ += keys.size();
    return {keys.begin(), keys.end()};
  }

  void Push() {
    RandomPush push = test::MakePush(random_, ++step_);
    operations_ += push.keys.size();
    test::Apply(*table_, push);
    model_.Apply(push);
    since_cut_.emplace_back(std::move(push));
  }

  void Delete() {
    std::vector<Key> keys = SomeKeys(static_cast<uint32_t>(random_() % kSlots));
    keys.resize(keys.size() / 8);
    uint64_t expected = 0;
    for (const Key key : keys) {
      expected += model_.Delete(key) ? 1 : 0;
    }
    REQUIRE(*table_->Delete(keys) == expected);
    since_cut_.emplace_back(std::move(keys));
  }

  void ComparePull() {
    const auto slot = static_cast<uint32_t>(random_() % kSlots);
    const std::vector<Key> keys = SomeKeys(slot);
    std::vector<float> values(keys.size() * kDim);
    REQUIRE(table_->Pull(keys, {}, values, slot).ok());
    for (size_t i = 0; i < keys.size(); ++i) {
      const std::vector<float> expected = model_.Pull(keys[i], slot);
      REQUIRE(std::equal(expected.begin(), expected.end(), &values[i * kDim]));
    }
  }

  void Announce() {
    REQUIRE(table_->Announce(SomeKeys(static_cast<uint32_t>(random_() % kSlots))).ok());
  }

  // Sometimes all that the clock finds, so that most rows are on disk.
  void Demote() {
    if (store_ == nullptr) {
      return;
    }
    for (size_t i = random_() % 5; i > 0; --i) {
      const auto demotion = table_->Demote(1 + random_() % 300, ColdTable::WhenBusy::kWait);
      REQUIRE(demotion.ok());
      went_down_ += demotion->rows;
    }
  }

  // One small piece of a cut, so that other operations come in between.
  void AdvanceCut() {
    if (!cutting_) {
      cutting_ = true;
      full_ = chain_.empty() || random_() % 8 == 0;
      at_flip_ = model_.All();
      before_flip_ = since_cut_.size();
      table_->BeginCut(full_);
    } else if (random_() % 25 == 0) {  // given up halfway
      EndCut(false);
    } else if (!table_->CopyCut(1 + random_() % 300)) {
      EmbeddingRows cut = test::TakeCutOf(*table_);
      const bool committed = random_() % 4 != 0;
      if (committed) {
        (full_ ? chain_ = {} : chain_).push_back(std::move(cut));
      }
      EndCut(committed);
      if (committed) {
        CompareChain();
      }
    }
  }

  void EndCut(bool committed) {
    table_->EndCut(committed);
    cutting_ = false;
    cuts_ += committed ? 1 : 0;
    if (committed) {
      since_cut_.erase(since_cut_.begin(),
                       since_cut_.begin() + static_cast<std::ptrdiff_t>(before_flip_));
    }
  }

  // The committed versions hold what the model had at the flip of the last one.
  void CompareChain() {
    EmbeddingTable replica(variable_);
    for (const EmbeddingRows& cut : chain_) {
      test::Load(replica, cut);
    }
    REQUIRE(test::DifferenceOf(test::CutOf(replica, true), at_flip_) == std::string());
  }

  // The server dies, another one loads the last version, and the stream comes again.
  void Rewind() {
    ++rewinds_;
    cutting_ = false;
    MakeTable();
    for (const EmbeddingRows& cut : chain_) {
      test::Load(*table_, cut);
      Demote();
    }
    for (Step& step : since_cut_) {
      if (auto* const push = std::get_if<RandomPush>(&step)) {
        test::Apply(*table_, *push);
      } else {
        REQUIRE(table_->Delete(std::get<std::vector<Key>>(step)).ok());
      }
    }
  }

  void Finish() {
    if (cutting_) {
      EndCut(false);
    }
    REQUIRE(test::DifferenceOf(test::CutOf(*table_, true), model_.All()) == std::string());
  }

  std::mt19937_64 random_;
  const proto::EmbeddingVariable variable_;
  ColdStore* const store_;
  std::unique_ptr<EmbeddingTable> table_;
  TableModel model_;
  uint64_t step_ = 0;
  std::vector<EmbeddingRows> chain_;  // a base, and deltas on it
  std::vector<Step> since_cut_;       // the stream since the last committed one

  // Of the cut under way.
  bool cutting_ = false;
  bool full_ = false;
  EmbeddingRows at_flip_;   // the model
  size_t before_flip_ = 0;  // steps of since_cut_ that the cut holds

  uint64_t operations_ = 0;
  uint64_t went_down_ = 0;
  uint64_t rewinds_ = 0;
  uint64_t cuts_ = 0;
};

// Runs until there were so many operations.
void RunMany(uint64_t first_seed, uint64_t steps, uint64_t operations) {
  const test::Scratch scratch;
  const auto store = test::OpenStore(test::SmallOptions(scratch.path()));
  uint64_t done = 0;
  uint64_t evicted = 0;
  uint64_t went_down = 0;
  uint64_t rewinds = 0;
  uint64_t cuts = 0;
  uint64_t seed = first_seed;
  for (; done < operations; ++seed) {
    CAPTURE(seed);
    RandomRun run(seed, seed % 4 == 0 ? nullptr : store.get());
    run.Run(steps);
    done += run.operations();
    evicted += run.evicted();
    went_down += run.went_down();
    rewinds += run.rewinds();
    cuts += run.cuts();
  }
  std::printf(
      "%llu runs, %llu operations: %llu rows evicted, %llu rows to disk, %llu rewinds, "
      "%llu versions\n",
      static_cast<unsigned long long>(seed - first_seed),
      static_cast<unsigned long long>(done),
      static_cast<unsigned long long>(evicted),
      static_cast<unsigned long long>(went_down),
      static_cast<unsigned long long>(rewinds),
      static_cast<unsigned long long>(cuts));
  CHECK(evicted > operations / 100);
  CHECK(went_down > operations / 100);
  CHECK(rewinds > operations / 10'000);
  CHECK(cuts > operations / 10'000);
}

TEST_CASE("a table under any policy, on any storage, does what a std::map does", "[ps]") {
  RunMany(1, 600, 200'000);
}

TEST_CASE("the same in ten million operations", "[.slow][ps]") {
  RunMany(1'000'000, 2000, 10'000'000);
}

}  // namespace
}  // namespace freshet::ps
