#include "worker/progress.h"

#include <catch2/catch.hpp>
#include <thread>

#include "common/check.h"
#include "tests/worker/fixture.h"

namespace freshet::worker {
namespace {

using PauseAnswer = StatusOr<proto::PauseResponse>;

proto::StartSessionRequest Request(const std::vector<proto::WorkerState>& states = {},
                                   uint32_t workers = 1) {
  proto::StartSessionRequest request;
  request.set_epoch(5);
  request.set_worker(0);
  request.set_workers(workers);
  for (const proto::WorkerState& state : states) {
    *request.add_states() = state;
  }
  return request;
}

StreamState PositionsAt(uint64_t offset) {
  StreamState state;
  state.names = std::make_shared<const std::vector<std::string>>(1, "a.csv");
  state.partitions = {{.offset = offset, .samples = offset / 10}};
  return state;
}

// The training thread up to the push: step n ends at offset 10 n and scores one sample.
void Begin(Progress& progress, uint64_t number, bool last = false) {
  Step step;
  step.number = number;
  step.last = last;
  step.after = PositionsAt(number * 10);
  step.batch.max_event_time_ms = static_cast<int64_t>(number);
  FRESHET_CHECK(progress.AwaitBegin(step));
  progress.Learned(step, last ? std::vector<Score>{} : std::vector<Score>(1));
}

// What a Pause is answered with, if it is.
struct PauseCall {
  PauseCall(Progress& progress, uint64_t step) {
    progress.Pause(step,
                   [kept = answer](PauseAnswer response) { kept->emplace(std::move(response)); });
  }

  bool answered() const { return answer->has_value(); }

  const proto::WorkerState& state() const {
    REQUIRE(answered());
    REQUIRE((*answer)->ok());
    return (**answer)->state();
  }

  Status status() const {
    REQUIRE(answered());
    return (*answer)->status();
  }

  std::shared_ptr<std::optional<PauseAnswer>> answer =
      std::make_shared<std::optional<PauseAnswer>>();
};

TEST_CASE("a pause in asp is answered when every step begun is acknowledged", "[worker]") {
  Progress progress(Request(), false);
  progress.Restore(PositionsAt(0));
  Begin(progress, 1);
  Begin(progress, 2);
  CHECK(progress.Hold()->step() == 2);
  const PauseCall pause(progress, 1);
  progress.Acknowledged(2);
  CHECK_FALSE(pause.answered());
  progress.Acknowledged(1);
  CHECK(pause.state().positions(0).offset() == 20);
  CHECK(pause.state().batches() == 2);
  CHECK(pause.state().evaluation().samples() == 2);
  CHECK(pause.state().event_time_watermark_ms() == 2);
}

TEST_CASE("a pause in bsp hands over the state as of its step, though a later one has begun",
          "[worker]") {
  Progress progress(Request(), true);
  progress.Restore(PositionsAt(0));
  Begin(progress, 1);
  Begin(progress, 2);
  CHECK(progress.Hold()->step() == 2);
  const PauseCall pause(progress, 1);
  CHECK_FALSE(pause.answered());
  progress.Acknowledged(1);
  CHECK(pause.state().positions(0).offset() == 10);
  CHECK(pause.state().batches() == 1);
  CHECK(pause.state().evaluation().samples() == 1);
  REQUIRE(progress.Resume(true).ok());
  progress.Acknowledged(2);
  Begin(progress, 3);
  progress.Acknowledged(3);
  const PauseCall next(progress, 3);
  CHECK(next.state().window().samples() == 2);
  CHECK(next.state().evaluation().samples() == 3);
}

TEST_CASE("a pause in bsp at a step that is over, or was not begun, is refused", "[worker]") {
  Progress progress(Request(), true);
  progress.Restore(PositionsAt(0));
  Begin(progress, 1);
  Begin(progress, 2);
  progress.Acknowledged(1);
  progress.Acknowledged(2);
  CHECK(absl::IsFailedPrecondition(PauseCall(progress, 1).status()));
  CHECK(absl::IsFailedPrecondition(PauseCall(progress, 3).status()));
  CHECK(PauseCall(progress, 2).state().batches() == 2);
}

TEST_CASE("a worker whose streams have ended is paused at any later step", "[worker]") {
  Progress progress(Request(), true);
  progress.Restore(PositionsAt(0));
  Begin(progress, 1);
  Begin(progress, 2, true);
  CHECK(progress.Hold()->finished());
  progress.Acknowledged(1);
  progress.Acknowledged(2);
  const PauseCall pause(progress, 9);
  CHECK(pause.state().batches() == 1);
  CHECK(pause.state().positions(0).offset() == 20);
  proto::MemberReport report;
  progress.FillReport(&report);
  CHECK(report.finished());
}

TEST_CASE("the last step, which has no batch, may be applied beyond the cut", "[worker]") {
  Progress progress(Request(), true);
  progress.Restore(PositionsAt(0));
  Begin(progress, 1);
  Begin(progress, 2, true);
  progress.Acknowledged(1);
  progress.Acknowledged(2);
  CHECK(PauseCall(progress, 1).state().batches() == 1);
  CHECK(absl::IsFailedPrecondition(PauseCall(progress, 0).status()));
}

TEST_CASE("while held no step begins", "[worker]") {
  Progress progress(Request(), false);
  progress.Restore(PositionsAt(0));
  CHECK(progress.Hold()->step() == 0);
  std::thread trainer([&progress] { Begin(progress, 1); });
  CHECK(progress.Hold()->step() == 0);
  CHECK(PauseCall(progress, 0).state().positions(0).offset() == 0);
  REQUIRE(progress.Resume(false).ok());
  trainer.join();
  CHECK(progress.Hold()->step() == 1);
}

TEST_CASE("a pause waits until the session knows its positions", "[worker]") {
  Progress progress(Request(), false);
  const PauseCall pause(progress, 0);
  CHECK_FALSE(pause.answered());
  progress.Restore(PositionsAt(70));
  CHECK(pause.state().positions(0).offset() == 70);
}

TEST_CASE("the window goes on until its version is committed", "[worker]") {
  Progress progress(Request(), false);
  progress.Restore(PositionsAt(0));
  Begin(progress, 1);
  progress.Acknowledged(1);
  CHECK(PauseCall(progress, 1).state().window().samples() == 1);
  REQUIRE(progress.Resume(false).ok());
  Begin(progress, 2);
  progress.Acknowledged(2);
  CHECK(PauseCall(progress, 2).state().window().samples() == 2);
  REQUIRE(progress.Resume(false).ok());
  Begin(progress, 3);
  progress.Acknowledged(3);
  // The commit is told only after training went on.
  REQUIRE(progress.Resume(true).ok());
  CHECK(PauseCall(progress, 3).state().window().samples() == 1);
}

TEST_CASE("evaluation sums survive a session, also with fewer workers", "[worker]") {
  std::vector<proto::WorkerState> states(3);
  for (uint32_t worker = 0; worker < 3; ++worker) {
    EvaluationSums sums;
    for (uint32_t i = 0; i <= worker; ++i) {
      sums.Add(0.5F, 0.7F, 1.0F, 1.0F);
    }
    states[worker].set_worker(worker);
    states[worker].set_batches(10);
    states[worker].set_event_time_watermark_ms(100 * worker);
    *states[worker].mutable_evaluation() = sums.ToProto();
    *states[worker].mutable_window() = sums.ToProto();
  }
  Progress progress(Request(states, 2), false);
  progress.Restore(PositionsAt(0));
  const PauseCall pause(progress, 0);
  CHECK(pause.state().evaluation().samples() == 1 + 3);
  CHECK(pause.state().batches() == 10);
  CHECK(pause.state().event_time_watermark_ms() == 200);
  CHECK(pause.state().window().samples() == 0);
}

TEST_CASE("batches are counted on from the version's", "[worker]") {
  std::vector<proto::WorkerState> states(3);
  for (uint32_t worker = 0; worker < 3; ++worker) {
    states[worker].set_worker(2 - worker);
    states[worker].set_batches(10 * (2 - worker));
  }
  CHECK(Progress(Request(), false).batches_before() == 0);
  SECTION("of the worker itself") {
    proto::StartSessionRequest request = Request(states, 3);
    request.set_worker(1);
    CHECK(Progress(request, false).batches_before() == 10);
  }
  SECTION("of the furthest worker, for one that is new") {
    proto::StartSessionRequest request = Request(states, 5);
    request.set_worker(4);
    Progress progress(request, false);
    CHECK(progress.batches_before() == 20);
    progress.Restore(PositionsAt(0));
    Begin(progress, 1);
    progress.Acknowledged(1);
    CHECK(PauseCall(progress, 1).state().batches() == 21);
  }
}

TEST_CASE("the end of a session ends its waits and answers its pause", "[worker]") {
  Progress progress(Request(), false);
  progress.Restore(PositionsAt(0));
  Begin(progress, 1);
  const PauseCall pause(progress, 1);
  bool went_on = false;
  std::thread trainer([&progress, &went_on] {
    went_on = progress.AwaitAcknowledged() || progress.AwaitBegin(Step{});
  });
  CHECK(progress.Fail(DataLoss("the disk is full of holes")));
  trainer.join();
  CHECK_FALSE(went_on);
  CHECK(absl::IsAborted(pause.status()));
  CHECK_THAT(MessageOf(progress.Hold().status()), Catch::Contains("full of holes"));
  CHECK(absl::IsAborted(progress.Resume(false)));
  CHECK_FALSE(progress.Fail(Internal("too late")));
  proto::MemberReport report;
  progress.FillReport(&report);
  CHECK(report.epoch() == 5);
  CHECK_THAT(report.error(), Catch::Contains("full of holes"));
  CHECK_FALSE(report.finished());
}

TEST_CASE("a pause that is given up or repeated is answered", "[worker]") {
  Progress progress(Request(), false);
  progress.Restore(PositionsAt(0));
  Begin(progress, 1);
  const PauseCall first(progress, 1);
  const PauseCall second(progress, 1);
  CHECK(absl::IsAborted(first.status()));
  CHECK_FALSE(second.answered());
  REQUIRE(progress.Resume(false).ok());
  CHECK(absl::IsAborted(second.status()));
}

}  // namespace
}  // namespace freshet::worker
