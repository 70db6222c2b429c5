// An embedding table beside a std::map: every policy, kind of value and storage drawn at random;
// cuts that are committed or given up, and the table taken back to one of the last at any moment.
#include "tests/ps/table_model.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <optional>
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

  // Of these, those of a server that has survived; rows on disk that stayed where they were.
  uint64_t taken_back() const { return taken_back_; }

  uint64_t kept_cold() const { return kept_cold_; }

  uint64_t cuts() const { return cuts_; }

 private:
  using Step = std::variant<RandomPush, std::vector<Key>>;  // a push, or keys deleted

  struct Version {
    EmbeddingRows rows;
    size_t steps = 0;  // of steps_ that it holds
  };

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
    steps_.emplace_back(std::move(push));
  }

  void Delete() {
    std::vector<Key> keys = SomeKeys(static_cast<uint32_t>(random_() % kSlots));
    keys.resize(keys.size() / 8);
    uint64_t expected = 0;
    for (const Key key : keys) {
      expected += model_.Delete(key) ? 1 : 0;
    }
    REQUIRE(*table_->Delete(keys) == expected);
    steps_.emplace_back(std::move(keys));
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
      before_flip_ = steps_.size();
      table_->BeginCut(full_);
    } else if (random_() % 25 == 0) {  // given up halfway
      EndCut(false);
    } else if (!table_->CopyCut(1 + random_() % 300)) {
      EmbeddingRows cut = test::TakeCutOf(*table_);
      const bool committed = random_() % 4 != 0;
      if (committed) {
        AddVersion(std::move(cut));
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
  }

  void AddVersion(EmbeddingRows cut) {
    if (full_) {
      chain_.clear();
      steps_.erase(steps_.begin(), steps_.begin() + static_cast<std::ptrdiff_t>(before_flip_));
      before_flip_ = 0;
    }
    chain_.push_back({.rows = std::move(cut), .steps = before_flip_});
  }

  // The committed versions hold what the model had at the flip of the last one.
  void CompareChain() {
    EmbeddingTable replica(variable_);
    for (const Version& version : chain_) {
      test::Load(replica, version.rows);
    }
    REQUIRE(test::DifferenceOf(test::CutOf(replica, true), at_flip_) == std::string());
  }

  // Back to one of the versions, from which the stream comes again.
  void Rewind() {
    ++rewinds_;
    const size_t left =
        chain_.empty() ? 0 : chain_.size() - random_() % std::min<size_t>(3, chain_.size());
    if (left == 0 || random_() % 2 == 0 || !TakeBack(left)) {
      Restart(left);
    }
    cutting_ = false;
    chain_.resize(left);
    ReplayFrom(left == 0 ? 0 : chain_.back().steps);
  }

  // The server dies, another one loads the version.
  void Restart(size_t versions) {
    MakeTable();
    for (size_t i = 0; i < versions; ++i) {
      test::Load(*table_, chain_[i].rows);
      Demote();
    }
  }

  // The server has survived, and loads what may differ. False: it does not know.
  bool TakeBack(size_t versions) {
    table_->EndCut(false);
    const std::optional<uint64_t> changed = table_->ChangedAtMost();
    if (!changed) {
      return false;
    }
    TouchedKeys::Keys touched;
    table_->AddChanged(&touched);
    REQUIRE(touched.size() <= *changed);
    for (size_t i = versions; i < chain_.size(); ++i) {
      touched.insert(chain_[i].rows.keys.begin(), chain_[i].rows.keys.end());
      touched.insert(chain_[i].rows.tombstones.begin(), chain_[i].rows.tombstones.end());
    }
    Demote();
    REQUIRE(table_->TakeAway(touched).ok());
    kept_cold_ += table_->cold_rows();
    for (size_t i = 0; i < versions; ++i) {
      test::LoadOnly(*table_, chain_[i].rows, touched);
      Demote();
    }
    ++taken_back_;
    CompareTakenBack(versions);
    return true;
  }

  // It is as if all had been loaded, and nothing is marked as changed.
  void CompareTakenBack(size_t versions) {
    REQUIRE(*table_->ChangedAtMost() == 0);
    if (random_() % 2 == 0) {
      return;  // a cut brings the marks of rows in order
    }
    const EmbeddingRows delta = test::CutOf(*table_, false, false);
    REQUIRE((delta.keys.empty() && delta.tombstones.empty() && delta.candidates.keys.empty()));
    EmbeddingTable replica(variable_);
    for (size_t i = 0; i < versions; ++i) {
      test::Load(replica, chain_[i].rows);
    }
    REQUIRE(test::DifferenceOf(test::CutOf(*table_, true, false), test::CutOf(replica, true)) ==
            std::string());
  }

  void ReplayFrom(size_t first) {
    for (size_t i = first; i < steps_.size(); ++i) {
      if (auto* const push = std::get_if<RandomPush>(&steps_[i])) {
        test::Apply(*table_, *push);
      } else {
        REQUIRE(table_->Delete(std::get<std::vector<Key>>(steps_[i])).ok());
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
  std::vector<Version> chain_;  // a base, and deltas on it
  std::vector<Step> steps_;     // the stream since the base

  // Of the cut under way.
  bool cutting_ = false;
  bool full_ = false;
  EmbeddingRows at_flip_;   // the model
  size_t before_flip_ = 0;  // steps of steps_ that the cut holds

  uint64_t operations_ = 0;
  uint64_t went_down_ = 0;
  uint64_t rewinds_ = 0;
  uint64_t taken_back_ = 0;
  uint64_t kept_cold_ = 0;
  uint64_t cuts_ = 0;
};

// Runs until there were so many operations.
void RunMany(uint64_t first_seed, uint64_t steps, uint64_t operations) {
  const test::Scratch scratch;
  const auto store = test::OpenStore(test::SmallOptions(scratch.path() + "/store"));
  ColdStoreOptions forgetful = test::SmallOptions(scratch.path() + "/forgetful");
  forgetful.marked_rows_per_table = 50;
  const auto forgetful_store = test::OpenStore(forgetful);
  const std::array stores = {
      static_cast<ColdStore*>(nullptr), store.get(), store.get(), forgetful_store.get()};
  uint64_t done = 0;
  uint64_t evicted = 0;
  uint64_t went_down = 0;
  uint64_t rewinds = 0;
  uint64_t taken_back = 0;
  uint64_t kept_cold = 0;
  uint64_t cuts = 0;
  uint64_t seed = first_seed;
  for (; done < operations; ++seed) {
    CAPTURE(seed);
    RandomRun run(seed, stores[seed % stores.size()]);
    run.Run(steps);
    done += run.operations();
    evicted += run.evicted();
    went_down += run.went_down();
    rewinds += run.rewinds();
    taken_back += run.taken_back();
    kept_cold += run.kept_cold();
    cuts += run.cuts();
  }
  std::printf(
      "%llu runs, %llu operations: %llu rows evicted, %llu rows to disk, %llu rewinds, "
      "%llu of survivors, who kept %llu rows on disk, %llu versions\n",
      static_cast<unsigned long long>(seed - first_seed),
      static_cast<unsigned long long>(done),
      static_cast<unsigned long long>(evicted),
      static_cast<unsigned long long>(went_down),
      static_cast<unsigned long long>(rewinds),
      static_cast<unsigned long long>(taken_back),
      static_cast<unsigned long long>(kept_cold),
      static_cast<unsigned long long>(cuts));
  CHECK(evicted > operations / 100);
  CHECK(went_down > operations / 100);
  CHECK(rewinds > operations / 10'000);
  CHECK(taken_back > rewinds / 4);
  CHECK(kept_cold > rewinds);
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
