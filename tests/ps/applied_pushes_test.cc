#include "ps/applied_pushes.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <vector>

namespace freshet::ps {
namespace {

using Seen = AppliedPushes::Seen;

AppliedPushes::Done Nothing() {
  return [](const Status&) {};
}

TEST_CASE("a push is new, then in progress, then applied", "[ps]") {
  AppliedPushes pushes(2);
  CHECK(*pushes.Find(1, 1) == Seen::kNever);
  pushes.Begin(1, 1, Nothing());
  CHECK(*pushes.Find(1, 1) == Seen::kInProgress);
  CHECK(*pushes.Find(0, 1) == Seen::kNever);
  CHECK(pushes.Finish(1, 1).size() == 1);
  CHECK(*pushes.Find(1, 1) == Seen::kApplied);
  CHECK(*pushes.Find(1, 2) == Seen::kNever);
}

TEST_CASE("a push repeated while it is in progress waits for the first", "[ps]") {
  AppliedPushes pushes(1);
  pushes.Begin(0, 1, Nothing());
  CHECK_FALSE(pushes.Wait(0, 1, Nothing()));
  CHECK(pushes.Finish(0, 1).size() == 2);
}

TEST_CASE("no more than a few repetitions of a push wait", "[ps]") {
  AppliedPushes pushes(1);
  pushes.Begin(0, 1, Nothing());
  int turned_away = 0;
  for (int i = 0; i < 100; ++i) {
    turned_away += pushes.Wait(0, 1, Nothing()) ? 1 : 0;
  }
  CHECK(pushes.Finish(0, 1).size() + turned_away == 101);
  CHECK(turned_away > 80);
}

TEST_CASE("a push that is too far ahead is refused, and the first missing one named", "[ps]") {
  AppliedPushes pushes(1);
  for (uint64_t sequence = 1; sequence <= 10; ++sequence) {
    pushes.Begin(0, sequence, Nothing());
    pushes.Finish(0, sequence);
  }
  CHECK(pushes.Find(0, 10 + kMaxPushesInFlight).ok());
  const auto refused = pushes.Find(0, 11 + kMaxPushesInFlight);
  CHECK(absl::IsInvalidArgument(refused.status()));
  CHECK(MessageOf(refused.status()) ==
        "push 75 of worker 0: push 11 is not applied yet, and at most 64 may be in flight");
  CHECK(absl::IsInvalidArgument(pushes.Find(0, 0).status()));
  CHECK(absl::IsInvalidArgument(pushes.Find(1, 1).status()));
}

TEST_CASE("each push is new once, in whatever order pushes come and end", "[ps]") {
  for (const uint64_t seed : {1, 2, 3, 4, 5}) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    AppliedPushes pushes(1);
    constexpr uint64_t kPushes = 2000;
    std::vector<int> begun(kPushes + 1, 0);
    std::vector<uint64_t> in_progress;
    uint64_t low = 0;
    std::vector<bool> finished(kPushes + 1, false);
    while (low < kPushes) {
      const uint64_t sequence = std::min(kPushes, low + 1 + random() % kMaxPushesInFlight);
      const Seen seen = *pushes.Find(0, sequence);
      REQUIRE((seen == Seen::kApplied) == finished[sequence]);
      REQUIRE((seen == Seen::kNever) == (begun[sequence] == 0));
      if (seen == Seen::kNever) {
        pushes.Begin(0, sequence, Nothing());
        ++begun[sequence];
        in_progress.push_back(sequence);
      }
      if (!in_progress.empty() && random() % 2 == 0) {
        std::swap(in_progress[random() % in_progress.size()], in_progress.back());
        REQUIRE(pushes.Finish(0, in_progress.back()).size() == 1);
        finished[in_progress.back()] = true;
        in_progress.pop_back();
        while (low < kPushes && finished[low + 1]) {
          ++low;
        }
      }
    }
    CHECK(std::all_of(begun.begin() + 1, begun.end(), [](int count) { return count == 1; }));
  }
}

TEST_CASE("everyone who waits is there to be told that the epoch is over", "[ps]") {
  AppliedPushes pushes(2);
  pushes.Begin(0, 1, Nothing());
  pushes.Begin(1, 3, Nothing());
  pushes.Wait(1, 3, Nothing());
  CHECK(pushes.TakeAll().size() == 3);
  CHECK(pushes.Finish(1, 3).empty());
}

}  // namespace
}  // namespace freshet::ps
