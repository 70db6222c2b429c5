#include "ps/step_gate.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <vector>

namespace freshet::ps {
namespace {

// A gate, and a record of what it lets go.
class Recorder {
 public:
  explicit Recorder(uint32_t workers) : gate(workers) {}

  void Push(uint32_t worker, uint64_t step, bool last = false) {
    REQUIRE(gate.CheckPush(worker, step, false).ok());
    gate.HoldPush(worker, step, last, Record("push", worker, step));
    Release();
  }

  void Leave(uint32_t worker, uint64_t step) {
    REQUIRE(gate.CheckPush(worker, step, true).ok());
    gate.Leave(worker, step);
    Release();
  }

  void Pull(uint32_t worker, uint64_t step) {
    REQUIRE(gate.CheckPull(worker).ok());
    gate.HoldPull(worker, step, Record("pull", worker, step));
    Release();
  }

  std::vector<std::string> Take() { return std::exchange(record_, {}); }

  StepGate gate;

 private:
  StepGate::Action Record(const std::string& what, uint32_t worker, uint64_t step) {
    return [this, what, worker, step](const Status& status) {
      record_.push_back(fmt::format("{} {}.{}{}", what, worker, step, status.ok() ? "" : " failed"));
    };
  }

  void Release() {
    for (StepGate::Action& action : gate.Release()) {
      action(absl::OkStatus());
    }
  }

  std::vector<std::string> record_;
};

using Record = std::vector<std::string>;

TEST_CASE("the pushes of a step go on together, in the order of workers", "[ps]") {
  Recorder recorder(3);
  recorder.Push(2, 1);
  recorder.Push(0, 1);
  CHECK(recorder.Take().empty());
  recorder.Push(1, 1);
  CHECK(recorder.Take() == Record{"push 0.1", "push 1.1", "push 2.1"});
}

TEST_CASE("a pull waits for the whole step before", "[ps]") {
  Recorder recorder(2);
  recorder.Pull(0, 1);
  CHECK(recorder.Take() == Record{"pull 0.1"});
  recorder.Pull(0, 2);
  recorder.Push(0, 1);
  CHECK(recorder.Take().empty());
  recorder.Push(1, 1);
  CHECK(recorder.Take() == Record{"push 0.1", "push 1.1", "pull 0.2"});
}

TEST_CASE("pushes of steps to come are held, in whatever order they arrive", "[ps]") {
  Recorder recorder(2);
  recorder.Push(0, 2);
  recorder.Push(0, 1);
  recorder.Push(1, 2);
  recorder.Pull(1, 3);
  CHECK(recorder.Take().empty());
  recorder.Push(1, 1);
  CHECK(recorder.Take() == Record{"push 0.1", "push 1.1", "push 0.2", "push 1.2", "pull 1.3"});
}

TEST_CASE("a worker's last push takes it out from the next step on", "[ps]") {
  Recorder recorder(2);
  recorder.Push(0, 1, true);
  recorder.Push(1, 2);
  CHECK(recorder.Take().empty());
  recorder.Push(1, 1);
  CHECK(recorder.Take() == Record{"push 0.1", "push 1.1", "push 1.2"});
  CHECK(absl::IsInvalidArgument(recorder.gate.CheckPush(0, 2, false)));
}

TEST_CASE("a worker that leaves before its first step is not waited for", "[ps]") {
  for (const uint64_t step : {0, 1}) {
    Recorder recorder(2);
    recorder.Push(1, 1);
    recorder.Leave(0, step);
    CHECK(recorder.Take() == Record{"push 1.1"});
    recorder.Push(1, 2);
    CHECK(recorder.Take() == Record{"push 1.2"});
  }
}

TEST_CASE("a worker that leaves is still waited for in the steps before", "[ps]") {
  Recorder recorder(2);
  recorder.Leave(0, 3);  // overtook its pushes 1 and 2
  recorder.Push(1, 1);
  recorder.Push(1, 2);
  recorder.Push(1, 3);
  CHECK(recorder.Take().empty());
  recorder.Push(0, 1);
  CHECK(recorder.Take() == Record{"push 0.1", "push 1.1"});
  recorder.Push(0, 2);
  CHECK(recorder.Take() == Record{"push 0.2", "push 1.2", "push 1.3"});
}

TEST_CASE("when all workers have left, pulls of any step go on", "[ps]") {
  Recorder recorder(2);
  recorder.Pull(0, 9);
  recorder.Push(0, 1, true);
  recorder.Leave(1, 1);
  CHECK(recorder.Take() == Record{"push 0.1", "pull 0.9"});
  recorder.Pull(1, 1000);
  CHECK(recorder.Take() == Record{"pull 1.1000"});
}

TEST_CASE("a push that cannot be ordered is refused with the reason", "[ps]") {
  Recorder recorder(2);
  recorder.Push(0, 1);
  CHECK(MessageOf(recorder.gate.CheckPush(0, 1, false)) ==
        "step 1 of worker 0: it has pushed this step already");
  recorder.Push(1, 1);
  CHECK(MessageOf(recorder.gate.CheckPush(0, 1, false)) ==
        "step 1 of worker 0: step 1 has been applied already");
  recorder.Push(0, 4);
  CHECK(MessageOf(recorder.gate.CheckPush(0, 4, true)) ==
        "worker 0 leaves at step 4, but has pushed step 4 already");
}

TEST_CASE("a worker may have so many pulls waiting and no more", "[ps]") {
  Recorder recorder(2);
  for (uint32_t i = 0; i < StepGate::kMaxHeldPulls; ++i) {
    recorder.Pull(0, 2);
  }
  CHECK(absl::IsResourceExhausted(recorder.gate.CheckPull(0)));
  CHECK(recorder.gate.CheckPull(1).ok());
  CHECK(absl::IsInvalidArgument(recorder.gate.CheckPull(2)));
  recorder.Push(0, 1);
  recorder.Push(1, 1);
  CHECK(recorder.gate.CheckPull(0).ok());
}

TEST_CASE("the order of pushes does not depend on how they arrive", "[ps]") {
  constexpr uint32_t kWorkers = 4;
  Record expected;
  for (uint64_t step = 1; step <= 20; ++step) {
    for (uint32_t worker = 0; worker < kWorkers; ++worker) {
      if (step <= 5 * (worker + 1)) {  // worker w ends after step 5 (w + 1)
        expected.push_back(fmt::format("push {}.{}", worker, step));
      }
    }
  }
  for (const uint64_t seed : {1, 2, 3}) {
    std::mt19937_64 random(seed);
    struct Arrival {
      uint32_t worker;
      uint64_t step;
    };
    std::vector<Arrival> arrivals;
    for (uint32_t worker = 0; worker < kWorkers; ++worker) {
      for (uint64_t step = 1; step <= 5 * (worker + 1); ++step) {
        arrivals.push_back({worker, step});
      }
    }
    std::shuffle(arrivals.begin(), arrivals.end(), random);
    Recorder recorder(kWorkers);
    for (const Arrival& arrival : arrivals) {
      recorder.Push(arrival.worker, arrival.step, arrival.step == 5 * (arrival.worker + 1));
    }
    CHECK(recorder.Take() == expected);
  }
}

}  // namespace
}  // namespace freshet::ps
