#include "worker/progress.h"

#include <algorithm>
#include <utility>

#include "common/check.h"
#include "common/mutant.h"
#include "common/utf8.h"

namespace freshet::worker {
namespace {

uint64_t BatchesBefore(const proto::StartSessionRequest& request) {
  uint64_t most = 0;
  for (const proto::WorkerState& state : request.states()) {
    if (state.worker() == request.worker()) {
      return state.batches();
    }
    most = std::max<uint64_t>(most, state.batches());
  }
  return most;
}

}  // namespace

Progress::Progress(const proto::StartSessionRequest& request, bool bsp)
    : epoch_(request.epoch()),
      worker_(request.worker()),
      bsp_(bsp),
      batches_before_(BatchesBefore(request)),
      batches_(batches_before_) {
  for (const proto::WorkerState& state : request.states()) {
    if (state.worker() % request.workers() == worker_) {
      RestoreEvaluation(state);
    }
  }
}

// The window is not restored: its version, which is the one restored, has taken it.
void Progress::RestoreEvaluation(const proto::WorkerState& state) {
  if (!Mutant("worker_forgets_its_scores")) {
    total_.Merge(EvaluationSums(state.evaluation()));
  }
  event_time_ms_ = std::max(event_time_ms_, state.event_time_watermark_ms());
  newest_arrival_ms_ = std::max(newest_arrival_ms_, state.newest_arrival_ms());
}

void Progress::Restore(StreamState positions) {
  Answer answer;
  {
    const std::lock_guard lock(mutex_);
    positions_ = std::move(positions);
    answer = AnswerPause();
  }
  if (answer) {
    answer();
  }
}

bool Progress::Await(std::unique_lock<std::mutex>& lock, const std::function<bool()>& ready) {
  changed_.wait(lock, [this, &ready] { return ended_ || ready(); });
  return !ended_;
}

bool Progress::AwaitPulled(const Step& step) {
  std::unique_lock lock(mutex_);
  return Await(lock, [&step] { return step.pulled; });
}

bool Progress::AwaitBegin(const Step& step) {
  std::unique_lock lock(mutex_);
  if (!Await(lock, [this] { return !held_; })) {
    return false;
  }
  FRESHET_CHECK(step.number == begun_ + 1 && !last_begun_);
  begun_ = step.number;
  last_begun_ = step.last;
  outcomes_.emplace_back();
  return true;
}

bool Progress::AwaitPushSlot(uint64_t limit) {
  std::unique_lock lock(mutex_);
  return Await(lock, [this, limit] { return begun_ - acknowledged_ <= limit; });
}

bool Progress::AwaitAcknowledged() {
  std::unique_lock lock(mutex_);
  return Await(lock, [this] { return acknowledged_ == begun_; });
}

void Progress::AwaitEnd() {
  std::unique_lock lock(mutex_);
  (void)Await(lock, [] { return false; });
}

void Progress::Learned(const Step& step, std::vector<Score> scores) {
  const std::lock_guard lock(mutex_);
  FRESHET_CHECK(step.number == begun_ && !outcomes_.empty());
  Outcome& outcome = outcomes_.back();
  outcome.is_batch = !step.last;
  outcome.after = step.after;
  outcome.scores = std::move(scores);
  outcome.event_time_ms = step.batch.max_event_time_ms;
  outcome.newest_arrival_ms = step.batch.newest_arrival_ms;
}

void Progress::Pulled(Step* step) {
  {
    const std::lock_guard lock(mutex_);
    step->pulled = true;
  }
  changed_.notify_all();
}

void Progress::Acknowledged(uint64_t step) {
  Answer answer;
  {
    const std::lock_guard lock(mutex_);
    FRESHET_CHECK(step > acknowledged_ && step <= begun_);
    outcomes_[step - acknowledged_ - 1].acknowledged = true;
    while (!outcomes_.empty() && outcomes_.front().acknowledged) {
      Apply(outcomes_.front());
      outcomes_.pop_front();
      ++acknowledged_;
    }
    answer = AnswerPause();
  }
  changed_.notify_all();
  if (answer) {
    answer();
  }
}

void Progress::Apply(const Outcome& outcome) {
  positions_ = outcome.after;
  batches_ += outcome.is_batch ? 1 : 0;
  event_time_ms_ = std::max(event_time_ms_, outcome.event_time_ms);
  newest_arrival_ms_ = std::max(newest_arrival_ms_, outcome.newest_arrival_ms);
  for (const Score& score : outcome.scores) {
    total_.Add(score, false);
    since_pause_.Add(score, true);
  }
}

bool Progress::Fail(const Status& why) {
  return End(why, true);
}

void Progress::Cancel() {
  (void)End(Cancelled("the session was ended"), false);
}

bool Progress::End(const Status& why, bool failed) {
  std::optional<PendingPause> pause;
  Status answer;
  {
    const std::lock_guard lock(mutex_);
    if (ended_) {
      return false;
    }
    ended_ = true;
    if (failed) {
      error_ = why;
    }
    pause.swap(pause_);
    answer = EndedStatus();
  }
  changed_.notify_all();
  if (pause) {
    pause->done(answer);
  }
  return true;
}

bool Progress::ended() const {
  const std::lock_guard lock(mutex_);
  return ended_;
}

Status Progress::EndedStatus() const {
  return Aborted("worker-{}: the session of epoch {} has ended{}{}",
                 worker_,
                 epoch_,
                 error_.ok() ? "" : ": ",
                 MessageOf(error_));
}

StatusOr<proto::HoldResponse> Progress::Hold() {
  const std::lock_guard lock(mutex_);
  if (ended_) {
    return EndedStatus();
  }
  held_ = true;
  proto::HoldResponse response;
  response.set_step(begun_);
  response.set_finished(last_begun_);
  return response;
}

void Progress::Pause(uint64_t step, const PauseDone& done) {
  std::optional<PendingPause> replaced;
  Status refused;
  Answer answer;
  {
    const std::lock_guard lock(mutex_);
    if (ended_) {
      refused = EndedStatus();
    } else if (bsp_ && step > begun_ && !last_begun_) {
      refused = FailedPrecondition(
          "worker-{}: it has begun steps up to {}, not {}", worker_, begun_, step);
    } else {
      held_ = true;
      replaced.swap(pause_);
      pause_ = PendingPause{.step = bsp_ ? std::min(step, begun_) : begun_, .done = done};
      answer = AnswerPause();
    }
  }
  if (!refused.ok()) {
    done(refused);
  }
  if (replaced) {
    replaced->done(Aborted("worker-{}: another Pause came", worker_));
  }
  if (answer) {
    answer();
  }
}

// The answer of the pause under way, if it is due; to be called without the lock.
Progress::Answer Progress::AnswerPause() {
  const bool waits = !Mutant("worker_pause_does_not_wait");
  if (!pause_ || !positions_ || (waits && acknowledged_ < pause_->step)) {
    return nullptr;
  }
  PendingPause pause = *std::exchange(pause_, std::nullopt);
  // The last step has no batch: with it, the servers hold the same as without.
  const uint64_t applied = acknowledged_ - (last_begun_ && acknowledged_ == begun_ ? 1 : 0);
  if (bsp_ && applied > pause.step) {
    const Status late =
        FailedPrecondition("worker-{}: step {} is applied already, a cut at {} comes too late",
                           worker_,
                           applied,
                           pause.step);
    return [done = std::move(pause.done), late] { done(late); };
  }
  handed_over_.Merge(since_pause_);
  since_pause_.Clear();
  proto::PauseResponse response;
  *response.mutable_state() = State();
  return [done = std::move(pause.done), response = std::move(response)] { done(response); };
}

proto::WorkerState Progress::State() const {
  proto::WorkerState state;
  state.set_worker(worker_);
  state.set_batches(batches_);
  state.set_next_partition(positions_->next);
  for (size_t i = 0; i < positions_->partitions.size(); ++i) {
    const PartitionState& partition = positions_->partitions[i];
    proto::StreamPosition* position = state.add_positions();
    position->set_partition((*positions_->names)[i]);
    position->set_offset(partition.offset);
    position->set_samples(partition.samples);
    position->set_bad_samples(partition.bad_samples);
    position->set_finished(partition.finished);
    position->set_skipped_samples(partition.skipped_samples);
    position->set_pass(partition.pass);
  }
  state.set_event_time_watermark_ms(event_time_ms_);
  state.set_newest_arrival_ms(newest_arrival_ms_);
  *state.mutable_evaluation() = total_.ToProto();
  *state.mutable_window() = handed_over_.ToProto();
  return state;
}

Status Progress::Resume(bool window_taken) {
  std::optional<PendingPause> given_up;
  {
    const std::lock_guard lock(mutex_);
    if (ended_) {
      return EndedStatus();
    }
    held_ = false;
    given_up.swap(pause_);
    if (window_taken) {
      handed_over_.Clear();
    }
  }
  changed_.notify_all();
  if (given_up) {
    given_up->done(Aborted("worker-{}: a Resume came", worker_));
  }
  return absl::OkStatus();
}

void Progress::FillReport(proto::MemberReport* report) const {
  const std::lock_guard lock(mutex_);
  report->set_epoch(epoch_);
  report->set_samples(total_.samples());
  if (positions_) {
    uint64_t bad = 0;
    for (const PartitionState& partition : positions_->partitions) {
      bad += partition.bad_samples;
    }
    report->set_bad_samples(bad);
  }
  report->set_finished(error_.ok() && last_begun_ && acknowledged_ == begun_);
  *report->mutable_evaluation() = total_.ToProto();
  if (!error_.ok()) {
    report->set_error(ToUtf8(error_.ToString()));
  }
}

}  // namespace freshet::worker
