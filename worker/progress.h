#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "common/metrics/evaluation.h"
#include "common/status.h"
#include "proto/control.pb.h"
#include "worker/step.h"
#include "worker/stream_state.h"

namespace freshet::worker {

// How far one session has come, and whether it may go on: where its threads, the answers of the
// servers and the requests of the coordinator meet.
//
// A step is *begun* when its parameters are there and it will be pushed, *acknowledged* when all
// servers have applied its push. What the session reports and hands over for a version, positions
// and evaluation, is as of the last step up to which all are acknowledged: in bsp a worker may have
// begun a step that is not in the version.
//
// Thread-safety: any thread. Callbacks are called without a lock held.
class Progress {
 public:
  using PauseDone = std::function<void(StatusOr<proto::PauseResponse>)>;

  // Takes over the evaluation sums that `request` has for this worker: those of the states whose
  // worker is this one modulo the number of workers, so that none is lost when workers get fewer.
  // A worker without a state of its own, when workers get more, counts its batches on from those of
  // the furthest worker: rules in steps would take its rows for old ones otherwise.
  Progress(const proto::StartSessionRequest& request, bool bsp);

  // Batches that the worker had trained when the session began. Thread-safety: any thread.
  uint64_t batches_before() const { return batches_before_; }

  // ---- The training thread. Waits end with false when the session does.

  // The positions that the session starts from. A pause waits for it.
  void Restore(StreamState positions);
  // Waits for Pulled.
  bool AwaitPulled(const Step& step);
  // Waits while held, then counts the step as begun.
  bool AwaitBegin(const Step& step);
  // Waits until fewer than `limit` steps are begun and not acknowledged, this one left aside.
  bool AwaitPushSlot(uint64_t limit);
  // Waits until all steps begun are acknowledged.
  bool AwaitAcknowledged();
  // What the step begun last brings once it is acknowledged. Before its push is sent.
  void Learned(const Step& step, std::vector<Score> scores);
  // Waits until the session ends.
  void AwaitEnd();

  // ---- Answers of the servers

  void Pulled(Step* step);
  void Acknowledged(uint64_t step);

  // ---- The end. The first one counts.

  // For a reason that the coordinator should know; false if the session had ended.
  bool Fail(const Status& why);
  void Cancel();
  bool ended() const;

  // ---- Requests of the coordinator. Aborted once the session has ended.

  StatusOr<proto::HoldResponse> Hold();
  void Pause(uint64_t step, const PauseDone& done);
  Status Resume(bool window_taken);
  void FillReport(proto::MemberReport* report) const;

 private:
  struct Outcome {
    bool acknowledged = false;
    bool is_batch = false;
    StreamState after;
    std::vector<Score> scores;
    int64_t event_time_ms = 0;
    int64_t newest_arrival_ms = 0;
  };

  struct PendingPause {
    uint64_t step = 0;  // to be acknowledged
    PauseDone done;
  };

  using Answer = std::function<void()>;

  void RestoreEvaluation(const proto::WorkerState& state);
  bool Await(std::unique_lock<std::mutex>& lock, const std::function<bool()>& ready);
  bool End(const Status& why, bool failed);
  void Apply(const Outcome& outcome);
  Answer AnswerPause();
  proto::WorkerState State() const;
  Status EndedStatus() const;

  const uint64_t epoch_;
  const uint32_t worker_;
  const bool bsp_;
  const uint64_t batches_before_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // All below: with the mutex held.
  bool ended_ = false;
  Status error_;  // why it ended, if it failed
  bool held_ = false;
  uint64_t begun_ = 0;
  bool last_begun_ = false;
  uint64_t acknowledged_ = 0;     // and all before
  std::deque<Outcome> outcomes_;  // of the steps acknowledged_ + 1 ... begun_
  std::optional<PendingPause> pause_;
  // As of step acknowledged_.
  std::optional<StreamState> positions_;
  uint64_t batches_;
  int64_t event_time_ms_ = 0;
  int64_t newest_arrival_ms_ = 0;
  EvaluationSums total_;
  // The window since the version before: what the last pause handed over, until a Resume says that
  // the coordinator keeps it, and what came after that pause.
  EvaluationSums handed_over_;
  EvaluationSums since_pause_;
};

}  // namespace freshet::worker
