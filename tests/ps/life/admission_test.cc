#include "ps/life/admission.h"

#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <random>
#include <utility>

#include "common/version_log/sort_columns.h"
#include "ps/life/sweep.h"
#include "tests/ps/life/policies.h"

namespace freshet::ps {
namespace {

using test::kDay;

const PartitionMap kPartitions(16, 1);

bool OwnsAll(Key /*key*/) {
  return true;
}

EmbeddingRows CutAll(Admission& admission, bool full, bool committed = true) {
  admission.BeginCut(full);
  while (admission.CopyCut(5)) {
  }
  Admission::Columns columns = admission.TakeCut();
  admission.EndCut(committed);
  EmbeddingRows rows;
  rows.variable = "v";
  rows.candidates = std::move(columns.candidates);
  rows.filter = std::move(columns.filter);
  SortByKey(rows.candidates);
  SortByBlock(rows.filter);
  return rows;
}

TEST_CASE("a key gets its row at the sample that makes it often enough", "[ps][life]") {
  const bool bloom = GENERATE(false, true);
  CAPTURE(bloom);
  const FeatureRules rules(
      test::VariableWith(bloom ? test::BloomPolicy(5, 1000) : test::FrequencyPolicy(5)));
  Admission admission(rules, kPartitions);
  Seen seen;
  CHECK_FALSE(admission.Touch(7, 0, {.shows = 2}, 1, 100, &seen));
  CHECK_FALSE(admission.Touch(7, 0, {.shows = 2}, 2, 300, &seen));
  CHECK(seen == Seen{});
  CHECK(admission.Peek(7)->frequency == 4);
  CHECK(admission.candidates() == (bloom ? 0 : 1));
  CHECK(admission.Touch(7, 0, {.shows = 3}, 3, 200, &seen));
  CHECK(seen.frequency == 7);
  CHECK(seen.last_update == (bloom ? 200 : 300));  // a filter knows no times
  CHECK(admission.candidates() == 0);
  CHECK_FALSE(admission.Peek(7).has_value());  // after an eviction it starts from nothing
  CHECK_FALSE(admission.Touch(7, 0, {.shows = 4}, 4, 200, &seen));
  admission.Forget(7);
  CHECK_FALSE(admission.Peek(7).has_value());
  CHECK(admission.Touch(8, 0, {.shows = 5}, 5, 200, &seen));  // at once
  CHECK(CutAll(admission, true).candidates.keys.empty());
}

TEST_CASE("a key without gates gets its row with what the push says", "[ps][life]") {
  proto::FeaturePolicy policy;
  policy.mutable_rules()->mutable_eviction()->set_steps_to_live(10);
  policy.set_evict_every_steps(10);
  const FeatureRules rules(test::VariableWith(policy));
  Admission admission(rules, kPartitions);
  Seen seen{.frequency = 77};
  CHECK(admission.Touch(7, 3, {.shows = 2, .clicks = 1}, 9, 3 * kDay, &seen));
  const FeatureLife life{.shows = 2, .clicks = 1, .last_step = 9, .score_day = 3, .slot = 3};
  CHECK(seen == Seen{.frequency = 2, .last_update = 3 * kDay, .life = life});
}

TEST_CASE("a key that may never have a row leaves no trace", "[ps][life]") {
  proto::FeaturePolicy policy = test::FrequencyPolicy(2);
  policy.mutable_rules()->mutable_admission()->set_admit_probability(0.5F);
  const FeatureRules rules(test::VariableWith(policy));
  Admission admission(rules, kPartitions);
  Seen seen;
  int admitted = 0;
  for (Key key = 0; key < 1000; ++key) {
    admission.Touch(key, 0, {}, 1, 1, &seen);
    admitted += admission.Touch(key, 0, {}, 2, 2, &seen) ? 1 : 0;
    REQUIRE_FALSE(admission.Peek(key).has_value());
  }
  CHECK(admitted > 400);
  CHECK(admitted < 600);
}

TEST_CASE("a key gets its row when its decayed score is high enough", "[ps][life]") {
  proto::FeaturePolicy policy;
  policy.mutable_rules()->mutable_admission()->set_score_threshold(2);
  test::SetScore(&policy, 0.5F, 2, 0.5F);
  const FeatureRules rules(test::VariableWith(policy));
  Admission admission(rules, kPartitions);
  Seen seen;
  CHECK_FALSE(admission.Touch(7, 0, {.shows = 2}, 1, kDay, &seen));             // 1
  CHECK_FALSE(admission.Touch(7, 0, {.shows = 2}, 2, 2 * kDay, &seen));         // 0.5 + 1
  CHECK_FALSE(admission.Touch(7, 0, {.shows = 1}, 3, 3 * kDay, &seen));         // 0.75 + 0.5
  CHECK(admission.Touch(7, 0, {.shows = 1, .clicks = 1}, 4, 3 * kDay, &seen));  // 1.25 + 2
  CHECK(seen.frequency == 6);
  CHECK(seen.life.shows == 3.5F);
  CHECK(seen.life.clicks == 1);
}

TEST_CASE("with bloom the shows start with the estimate", "[ps][life]") {
  proto::FeaturePolicy policy = test::BloomPolicy(3, 1000);
  policy.mutable_rules()->mutable_serving()->set_score_threshold(0.1F);
  test::SetScore(&policy, 0.1F, 1, 0.98F);
  const FeatureRules rules(test::VariableWith(policy));
  Admission admission(rules, kPartitions);
  Seen seen;
  CHECK_FALSE(admission.Touch(7, 1, {.shows = 2, .clicks = 2}, 1, kDay, &seen));
  CHECK(admission.Touch(7, 1, {.shows = 2, .clicks = 1}, 2, kDay, &seen));
  const FeatureLife life{.shows = 4, .clicks = 1, .last_step = 2, .score_day = 1, .slot = 1};
  CHECK(seen == Seen{.frequency = 4, .last_update = kDay, .life = life});
}

TEST_CASE("slots have their own thresholds", "[ps][life]") {
  proto::FeaturePolicy policy = test::FrequencyPolicy(3);
  proto::SlotRules* slot = policy.add_slots();
  slot->set_slot(1);
  slot->mutable_rules()->mutable_admission()->set_filter_freq(2);
  const FeatureRules rules(test::VariableWith(policy));
  Admission admission(rules, kPartitions);
  Seen seen;
  for (const uint32_t of_slot : {0U, 1U}) {
    CHECK_FALSE(admission.Touch(of_slot, of_slot, {}, 1, 1, &seen));
    CHECK(admission.Touch(of_slot, of_slot, {}, 2, 2, &seen) == (of_slot == 1));
  }
}

TEST_CASE("a filter in a version whose policy has none is refused", "[ps][life]") {
  const FeatureRules rules(test::VariableWith(test::FrequencyPolicy(2)));
  Admission admission(rules, kPartitions);
  EmbeddingRows rows;
  rows.filter.blocks = {0};
  rows.filter.counters.resize(64);
  CHECK(absl::IsDataLoss(admission.Load(rows, OwnsAll)));
}

// One push of one key, as a stream has them.
struct Event {
  Key key;
  uint32_t slot;
  KeyCount count;
  uint64_t step;
  uint32_t event_time_s;
};

std::vector<Event> StreamOf(uint64_t seed, size_t length) {
  std::mt19937_64 random(seed);
  std::vector<Event> events;
  uint32_t time = 20'000 * kDay;
  for (size_t i = 0; i < length; ++i) {
    // Some keys often, most of them rarely.
    const Key key = SplitMix64(random() % (1 + random() % 3000));
    const auto shows = static_cast<float>(1 + random() % 2);
    time += static_cast<uint32_t>(random() % 300);
    events.push_back({.key = key,
                      .slot = static_cast<uint32_t>(key % test::kSlots),
                      .count = {.shows = shows, .clicks = static_cast<float>(random() % 2)},
                      .step = i / 4 + 1,
                      .event_time_s = time});
  }
  return events;
}

// What a table does with admission, as far as rows go.
class Trainer {
 public:
  explicit Trainer(const FeatureRules& rules, const PartitionMap& partitions)
      : rules_(rules), admission_(rules, partitions) {}

  void Train(const Event& event) {
    Advance(event);
    if (const auto row = rows_.find(event.key); row != rows_.end()) {
      rules_.Touch(row->second, event.slot, event.count, event.step, event.event_time_s);
      return;
    }
    Seen seen;
    if (admission_.Touch(
            event.key, event.slot, event.count, event.step, event.event_time_s, &seen)) {
      rows_[event.key] = seen;
      ++admitted_;
    }
  }

  // The clock, as of a push that may have other keys.
  void Advance(const Event& event) {
    const uint64_t before = std::exchange(clock_.step, std::max(clock_.step, event.step));
    clock_.event_time_s = std::max<uint64_t>(clock_.event_time_s, event.event_time_s);
    Sweep(before);
  }

  Admission& admission() { return admission_; }

  const std::map<Key, Seen>& rows() const { return rows_; }

  // As from a version.
  void Continue(const EmbeddingRows& rows,
                const Trainer& other,
                absl::FunctionRef<bool(Key)> owns) {
    REQUIRE(admission_.Load(rows, owns).ok());
    for (const auto& [key, seen] : other.rows_) {
      if (owns(key)) {
        rows_[key] = seen;
      }
    }
    clock_ = other.clock_;
  }

  int admitted() const { return admitted_; }

  int evicted() const { return evicted_; }

 private:
  void Sweep(uint64_t before) {
    for (const HashRange& range :
         RangesToJudge(before, clock_.step, rules_.policy().evict_every_steps())) {
      admission_.Evict(range.begin, range.end_inclusive, clock_);
      std::erase_if(rows_, [&](const auto& row) {
        const uint64_t hash = SplitMix64(row.first);
        const RowView view{.key = row.first,
                           .frequency = row.second.frequency,
                           .last_update = row.second.last_update,
                           .life = &row.second.life};
        const bool goes = hash >= range.begin && hash <= range.end_inclusive &&
                          rules_.WhyEvict(view, clock_) != EvictReason::kNone;
        evicted_ += goes ? 1 : 0;
        return goes;
      });
    }
  }

  const FeatureRules& rules_;
  Admission admission_;
  std::map<Key, Seen> rows_;
  StreamClock clock_;
  int admitted_ = 0;
  int evicted_ = 0;
};

proto::FeaturePolicy FullPolicy(bool bloom) {
  proto::FeaturePolicy policy = bloom ? test::BloomPolicy(4, 3000) : test::FrequencyPolicy(4);
  policy.mutable_rules()->mutable_admission()->set_admit_probability(0.8F);
  policy.mutable_rules()->mutable_eviction()->set_steps_to_live(400);
  policy.mutable_rules()->mutable_eviction()->set_delete_threshold(0.5F);
  policy.set_evict_every_steps(50);
  test::SetScore(&policy, 0.2F, 1, 0.9F);
  proto::SlotRules* slot = policy.add_slots();
  slot->set_slot(1);
  slot->mutable_rules()->mutable_eviction()->set_ttl_secs(5 * kDay);
  slot = policy.add_slots();
  slot->set_slot(2);
  slot->mutable_rules()->mutable_admission()->set_filter_freq(2);
  if (!bloom) {
    slot = policy.add_slots();
    slot->set_slot(3);
    slot->mutable_rules()->mutable_admission()->set_score_threshold(1.5F);
  }
  return policy;
}

EmbeddingRows Base(Trainer& trainer) {
  return CutAll(trainer.admission(), true);
}

void CheckSame(Trainer& a, Trainer& b) {
  REQUIRE(a.rows() == b.rows());
  const EmbeddingRows of_a = Base(a);
  const EmbeddingRows of_b = Base(b);
  REQUIRE(of_a.candidates.keys == of_b.candidates.keys);
  REQUIRE(of_a.candidates.frequencies == of_b.candidates.frequencies);
  REQUIRE(of_a.candidates.last_updates == of_b.candidates.last_updates);
  REQUIRE(of_a.candidates.lives == of_b.candidates.lives);
  REQUIRE(of_a.filter.blocks == of_b.filter.blocks);
  REQUIRE(of_a.filter.counters == of_b.filter.counters);
}

TEST_CASE("a replay from a cut makes the run that was not interrupted", "[ps][life]") {
  for (const bool bloom : {false, true}) {
    for (const uint64_t seed : {1, 2, 3}) {
      CAPTURE(bloom, seed);
      const FeatureRules rules(test::VariableWith(FullPolicy(bloom)));
      const std::vector<Event> stream = StreamOf(seed, 12'000);
      Trainer whole(rules, kPartitions);
      auto resumed = std::make_unique<Trainer>(rules, kPartitions);
      std::vector<EmbeddingRows> chain;
      std::mt19937_64 random(seed);
      for (size_t i = 0; i < stream.size(); ++i) {
        whole.Train(stream[i]);
        resumed->Train(stream[i]);
        if (random() % 500 != 0) {
          continue;
        }
        const bool full = chain.empty() || random() % 3 == 0;
        const EmbeddingRows cut = CutAll(resumed->admission(), full);
        if (full) {
          chain.clear();
        }
        chain.push_back(cut);
        // Some events after the cut are trained, lost, and trained again.
        auto next = std::make_unique<Trainer>(rules, kPartitions);
        for (size_t part = 0; part + 1 < chain.size(); ++part) {
          REQUIRE(next->admission().Load(chain[part], OwnsAll).ok());
        }
        next->Continue(chain.back(), *resumed, OwnsAll);
        for (size_t lost = i + 1; lost < std::min(stream.size(), i + 100); ++lost) {
          resumed->Train(stream[lost]);
        }
        resumed = std::move(next);
      }
      CHECK(whole.admitted() > 500);
      CHECK(whole.evicted() > 200);
      CheckSame(whole, *resumed);
    }
  }
}

TEST_CASE("a version of one server continues on three", "[ps][life]") {
  for (const bool bloom : {false, true}) {
    CAPTURE(bloom);
    const FeatureRules rules(test::VariableWith(FullPolicy(bloom)));
    const std::vector<Event> stream = StreamOf(9, 6'000);
    const PartitionMap three(16, 3);
    Trainer one(rules, kPartitions);
    for (size_t i = 0; i < 3'000; ++i) {
      one.Train(stream[i]);
    }
    std::vector<std::unique_ptr<Trainer>> servers;
    const EmbeddingRows base = Base(one);
    for (uint32_t server = 0; server < 3; ++server) {
      servers.push_back(std::make_unique<Trainer>(rules, three));
      servers.back()->Continue(
          base, one, [&](Key key) { return three.ServerOfKey(key) == server; });
    }
    for (size_t i = 3'000; i < stream.size(); ++i) {
      one.Train(stream[i]);
      for (uint32_t server = 0; server < 3; ++server) {
        three.ServerOfKey(stream[i].key) == server ? servers[server]->Train(stream[i])
                                                   : servers[server]->Advance(stream[i]);
      }
    }
    size_t rows = 0;
    for (uint32_t server = 0; server < 3; ++server) {
      for (const auto& [key, seen] : servers[server]->rows()) {
        REQUIRE(three.ServerOfKey(key) == server);
        REQUIRE(one.rows().contains(key));
        REQUIRE(one.rows().at(key) == seen);
        ++rows;
      }
    }
    CHECK(rows == one.rows().size());
  }
}

}  // namespace
}  // namespace freshet::ps
