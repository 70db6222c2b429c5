#include "ps/life/candidates.h"

#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <optional>
#include <random>

#include "common/version_log/sort_columns.h"
#include "tests/ps/life/policies.h"

namespace freshet::ps {
namespace {

using Model = std::map<Key, Seen>;

bool OwnsAll(Key /*key*/) {
  return true;
}

// With `with_life` candidates go by steps, else by event time.
FeatureRules Rules(bool with_life) {
  proto::FeaturePolicy policy = test::FrequencyPolicy(1000);
  policy.set_evict_every_steps(10);
  proto::Eviction* eviction = policy.mutable_rules()->mutable_eviction();
  with_life ? eviction->set_steps_to_live(50) : eviction->set_ttl_secs(50);
  return FeatureRules(test::VariableWith(policy));
}

void Apply(const CandidateRows& cut, Model& model) {
  for (const Key key : cut.tombstones) {
    model.erase(key);
  }
  for (size_t i = 0; i < cut.keys.size(); ++i) {
    model[cut.keys[i]] = {.frequency = cut.frequencies[i],
                          .last_update = cut.last_updates[i],
                          .life = cut.lives.empty() ? FeatureLife{} : cut.lives[i]};
  }
}

CandidateRows CutAll(Candidates& candidates, bool full, bool committed = true) {
  candidates.BeginCut(full);
  while (candidates.CopyCut(3)) {
  }
  CandidateRows cut = candidates.TakeCut();
  SortByKey(cut);
  candidates.EndCut(committed);
  return cut;
}

class RandomRun {
 public:
  RandomRun(uint64_t seed, bool with_life)
      : random_(seed), with_life_(with_life), rules_(Rules(with_life)), candidates_(Fresh()) {}

  void Run(int operations) {
    for (int i = 0; i < operations; ++i) {
      ++now_.step;
      now_.event_time_s += random_() % 3;
      switch (random_() % 10) {
        case 0: {
          const Key key = SomeKey();
          REQUIRE(candidates_->Forget(key) == (model_.erase(key) > 0));
          break;
        }
        case 1:
          Evict();
          break;
        case 2:
          AdvanceCut();
          break;
        default:
          Set();
      }
      REQUIRE(candidates_->size() == model_.size());
    }
    for (const auto& [key, seen] : model_) {
      REQUIRE(candidates_->Find(key) == seen);
    }
  }

  int committed = 0;
  int given_up = 0;
  uint64_t evicted = 0;

 private:
  std::unique_ptr<Candidates> Fresh() { return std::make_unique<Candidates>(rules_); }

  Key SomeKey() { return random_() % 2 == 0 ? random_() % 400 : UINT64_MAX - random_() % 400; }

  void Set() {
    const Key key = SomeKey();
    Seen seen{.frequency = static_cast<uint32_t>(random_() % 100),
              .last_update = static_cast<uint32_t>(now_.event_time_s)};
    if (with_life_) {
      seen.life = {.shows = 1, .last_step = static_cast<uint32_t>(now_.step), .slot = 3};
    }
    candidates_->Set(key, seen);
    model_[key] = seen;
    REQUIRE(candidates_->Find(key) == seen);
  }

  void Evict() {
    uint64_t begin = random_() >> (random_() % 20);
    uint64_t end = random_() | (random_() << (random_() % 20));
    if (begin > end) {
      std::swap(begin, end);
    }
    uint64_t expected = 0;
    for (auto at = model_.begin(); at != model_.end();) {
      const uint64_t hash = SplitMix64(at->first);
      const bool idle = with_life_ ? now_.step - at->second.life.last_step > 50
                                   : now_.event_time_s - at->second.last_update > 50;
      if (hash >= begin && hash <= end && idle) {
        at = model_.erase(at);
        ++expected;
      } else {
        ++at;
      }
    }
    REQUIRE(candidates_->Evict(begin, end, now_) == expected);
    evicted += expected;
  }

  void AdvanceCut() {
    if (!snapshot_) {
      full_ = random_() % 3 == 0;
      snapshot_ = model_;
      size_ = candidates_->BeginCut(full_);
    } else if (random_() % 40 == 0) {
      candidates_->EndCut(false);
      snapshot_.reset();
      ++given_up;
    } else if (!candidates_->CopyCut(20)) {
      EndCut();
    }
  }

  void EndCut() {
    const CandidateRows cut = candidates_->TakeCut();
    REQUIRE(cut.keys.size() == size_.candidates);
    REQUIRE(cut.tombstones.size() == size_.tombstones);
    REQUIRE(cut.lives.size() == (with_life_ ? size_.candidates : 0));
    const bool commit = random_() % 4 != 0;
    candidates_->EndCut(commit);
    if (commit) {
      Model from_nothing;
      Apply(cut, full_ ? from_nothing : replica_);
      Apply(cut, replica_);
      REQUIRE(replica_ == *snapshot_);
      REQUIRE((!full_ || from_nothing == *snapshot_));
      if (random_() % 4 == 0) {
        Rewind();
      }
    }
    snapshot_.reset();
    (commit ? committed : given_up) += 1;
  }

  // To the version just committed.
  void Rewind() {
    CandidateRows rows;
    for (const auto& [key, seen] : replica_) {
      rows.keys.push_back(key);
      rows.frequencies.push_back(seen.frequency);
      rows.last_updates.push_back(seen.last_update);
      if (with_life_) {
        rows.lives.push_back(seen.life);
      }
    }
    candidates_ = Fresh();
    REQUIRE(candidates_->Load(rows, OwnsAll).ok());
    model_ = replica_;
  }

  std::mt19937_64 random_;
  const bool with_life_;
  const FeatureRules rules_;
  std::unique_ptr<Candidates> candidates_;
  StreamClock now_;
  Model model_;
  Model replica_;                  // what a reader of the committed cuts has
  std::optional<Model> snapshot_;  // the model at the flip of the cut under way
  Candidates::CutSize size_;
  bool full_ = false;
};

TEST_CASE("candidates do what a std::map does, and their cuts rebuild them", "[ps][life]") {
  for (const bool with_life : {false, true}) {
    for (const uint64_t seed : {1, 2, 3, 4}) {
      CAPTURE(with_life, seed);
      RandomRun run(seed, with_life);
      run.Run(20'000);
      CHECK(run.committed > 10);
      CHECK(run.given_up > 5);
      CHECK(run.evicted > 100);
    }
  }
}

TEST_CASE("a delta is applied to what was loaded before, of our keys alone", "[ps][life]") {
  const FeatureRules rules = Rules(false);
  Candidates candidates(rules);
  const auto even = [](Key key) { return key % 2 == 0; };
  const CandidateRows base{.keys = {1, 2, 4},
                           .frequencies = {1, 2, 4},
                           .last_updates = {10, 20, 40},
                           .lives = {},
                           .tombstones = {}};
  REQUIRE(candidates.Load(base, even).ok());
  CHECK(candidates.size() == 2);
  const CandidateRows delta{.keys = {4, 6},
                            .frequencies = {5, 6},
                            .last_updates = {50, 60},
                            .lives = {},
                            .tombstones = {1, 2, 4}};
  REQUIRE(candidates.Load(delta, even).ok());
  CHECK(candidates.size() == 2);
  CHECK(candidates.Find(4) == Seen{.frequency = 5, .last_update = 50});
  const CandidateRows cut = CutAll(candidates, false);
  CHECK(cut.keys.empty());
  CHECK(cut.tombstones.empty());
}

TEST_CASE("columns of different lengths are refused", "[ps][life]") {
  const FeatureRules plain = Rules(false);
  const FeatureRules living = Rules(true);
  const CandidateRows rows{
      .keys = {1}, .frequencies = {1}, .last_updates = {1}, .lives = {}, .tombstones = {}};
  CandidateRows short_rows = rows;
  short_rows.last_updates.clear();
  CHECK(Candidates(plain).Load(rows, OwnsAll).ok());
  CHECK(absl::IsDataLoss(Candidates(plain).Load(short_rows, OwnsAll)));
  CHECK(absl::IsDataLoss(Candidates(living).Load(rows, OwnsAll)));
}

TEST_CASE("a candidate takes few bytes, and its memory is used again", "[ps][life]") {
  const FeatureRules rules = Rules(false);
  Candidates candidates(rules);
  constexpr Key kCount = 100'000;
  for (Key key = 0; key < kCount; ++key) {
    candidates.Set(key, {.frequency = 1});
  }
  const double each = static_cast<double>(candidates.bytes()) / kCount;
  INFO("bytes a candidate without life: " << each);
  CHECK(each < 32);
  for (Key key = 0; key < kCount; ++key) {
    candidates.Forget(key);
  }
  CutAll(candidates, false);
  const uint64_t bytes = candidates.bytes();
  for (Key key = kCount; key < 2 * kCount; ++key) {
    candidates.Set(key, {.frequency = 1});
  }
  CHECK(candidates.size() == kCount);
  CHECK(candidates.bytes() < bytes + bytes / 4);
}

}  // namespace
}  // namespace freshet::ps
