#include "ps/staleness_gate.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <vector>

#include "common/cluster/limits.h"

namespace freshet::ps {
namespace {

// Workers of different speeds, some of which stand still for a while, or leave: each pulls its next
// step, and pushes it some time after the pull went on. Pushes may overtake each other.
class Race {
 public:
  Race(uint64_t seed, uint32_t workers, uint64_t staleness)
      : random_(seed), staleness_(staleness), gate_(workers, staleness), workers_(workers) {}

  uint64_t pulls = 0;
  uint64_t violations = 0;
  uint64_t stalest = 0;

  void Run(uint64_t turns) {
    for (uint64_t turn = 0; turn < turns; ++turn) {
      const auto index = static_cast<uint32_t>(random_() % workers_.size());
      Worker& worker = workers_[index];
      if (worker.left || turn < worker.stopped_until) {
        continue;
      }
      if (random_() % 5000 == 0) {
        worker.stopped_until = turn + random_() % 20'000;
      }
      // The pushes of two steps may be under way at the same time.
      const bool may_pull = !worker.waits && worker.unpushed.size() < 2;
      if (may_pull && (worker.unpushed.empty() || random_() % 2 == 0)) {
        Pull(index);
      } else if (!worker.unpushed.empty()) {
        Push(index, turn);
      }
      Release();
    }
  }

 private:
  struct Worker {
    uint64_t step = 0;  // pulled last
    bool waits = false;
    bool left = false;
    std::vector<uint64_t> unpushed;
    uint64_t stopped_until = 0;
    uint64_t pushed = 0;  // and all before
    std::vector<uint64_t> beyond;
  };

  void Pull(uint32_t index) {
    Worker& worker = workers_[index];
    worker.waits = true;
    const uint64_t step = ++worker.step;
    CHECK(!gate_.HoldPull(index, step, [this, index, step](const Status&) {
      ++pulls;
      workers_[index].waits = false;
      workers_[index].unpushed.push_back(step);
      const uint64_t oldest = Oldest();
      const uint64_t behind = oldest < step - 1 ? step - 1 - oldest : 0;
      violations += behind > staleness_ ? 1 : 0;
      stalest = std::max(stalest, behind);
    }));
  }

  void Push(uint32_t index, uint64_t turn) {
    Worker& worker = workers_[index];
    const size_t which = random_() % worker.unpushed.size();
    const uint64_t step = worker.unpushed[which];
    worker.unpushed.erase(worker.unpushed.begin() + static_cast<std::ptrdiff_t>(which));
    gate_.Pushed(index, step);
    worker.beyond.push_back(step);
    for (auto next = worker.beyond.begin(); next != worker.beyond.end();) {
      next = std::find(worker.beyond.begin(), worker.beyond.end(), worker.pushed + 1);
      if (next != worker.beyond.end()) {
        worker.beyond.erase(next);
        ++worker.pushed;
        next = worker.beyond.begin();
      }
    }
    if (turn % 500'000 == 499'999 && worker.unpushed.empty() && !worker.waits && index != 0) {
      worker.left = true;
      gate_.Leave(index);
    }
  }

  // By a reckoning of its own.
  uint64_t Oldest() const {
    uint64_t oldest = UINT64_MAX;
    for (const Worker& worker : workers_) {
      oldest = worker.left ? oldest : std::min(oldest, worker.pushed);
    }
    return oldest;
  }

  void Release() {
    for (StalenessGate::Action& action : gate_.Release()) {
      action(absl::OkStatus());
    }
  }

  std::mt19937_64 random_;
  const uint64_t staleness_;
  StalenessGate gate_;
  std::vector<Worker> workers_;
};

TEST_CASE("in a million pulls none is staler than agreed", "[ps]") {
  uint64_t pulls = 0;
  for (const uint64_t staleness : {0U, 1U, 4U, 16U}) {
    Race race(staleness + 1, 5, staleness);
    race.Run(4'000'000);
    INFO("staleness " << staleness);
    CHECK(race.violations == 0);
    CHECK(race.stalest == staleness);  // it is made use of
    pulls += race.pulls;
  }
  CHECK(pulls > 1'000'000);
}

TEST_CASE("who leaves is waited for no more, and without anybody nobody waits", "[ps]") {
  StalenessGate gate(2, 1);
  bool went = false;
  CHECK(!gate.HoldPull(0, 3, [&](const Status&) { went = true; }));
  gate.Pushed(0, 1);
  gate.Pushed(0, 2);
  CHECK(gate.Release().empty());
  CHECK(gate.oldest() == 0);
  gate.Leave(1);
  auto released = gate.Release();
  REQUIRE(released.size() == 1);
  released[0](absl::OkStatus());
  CHECK(went);
  gate.Leave(0);
  CHECK(gate.oldest() == StalenessGate::kNobodyPushes);
  CHECK(gate.CheckPull(2).code() == absl::StatusCode::kInvalidArgument);
}

TEST_CASE("a step is pushed at most so far ahead, and no further one is remembered", "[ps]") {
  StalenessGate gate(2, 1);
  CHECK(gate.CheckPush(0, kMaxPushesInFlight).ok());
  CHECK(absl::IsInvalidArgument(gate.CheckPush(0, kMaxPushesInFlight + 1)));
  CHECK(absl::IsInvalidArgument(gate.CheckPush(0, UINT64_MAX)));
  gate.Pushed(0, 1);
  CHECK(gate.CheckPush(0, 1).ok());  // again
  CHECK(gate.CheckPush(0, kMaxPushesInFlight + 1).ok());
  CHECK(absl::IsInvalidArgument(gate.CheckPush(1, kMaxPushesInFlight + 1)));
}

TEST_CASE("a staleness without bound holds nobody back", "[ps]") {
  StalenessGate gate(1, UINT64_MAX);
  CHECK(!gate.HoldPull(0, UINT64_MAX, [](const Status&) {}));
  CHECK(gate.Release().size() == 1);
}

TEST_CASE("a worker holds a bounded number of pulls", "[ps]") {
  StalenessGate gate(2, 0);
  for (uint32_t i = 0; i < StalenessGate::kMaxHeldPulls; ++i) {
    CHECK(!gate.HoldPull(0, 9, [](const Status&) {}));
  }
  CHECK(gate.HoldPull(0, 9, [](const Status&) {}));
  CHECK(!gate.HoldPull(1, 9, [](const Status&) {}));
  CHECK(gate.TakeAll().size() == StalenessGate::kMaxHeldPulls + 1);
}

}  // namespace
}  // namespace freshet::ps
