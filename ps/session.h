#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "common/ids.h"
#include "common/status.h"
#include "proto/ps.pb.h"
#include "ps/applied_pushes.h"
#include "ps/cut_state.h"
#include "ps/ownership.h"
#include "ps/staleness_gate.h"
#include "ps/step_gate.h"

namespace freshet::ps {

// Everything but rows that a restore begins anew: the epoch's model, its order of pushes, its cut.
// Requests hold the session they came in with, so that what a later epoch does cannot touch them,
// nor they it. Thread-safety: any thread.
//
//   restoring --Open--> open --Close--> closed      restoring --Close--> closed
class Session {
 public:
  Session(const proto::RestoreRequest& request, uint32_t owner_threads);

  Epoch epoch() const { return epoch_; }

  const Ownership& ownership() const { return ownership_; }

  uint32_t workers() const { return workers_; }

  // Aborted: it is being restored, or closed.
  Status CheckOpen() const;
  // Aborted: it is closed.
  Status CheckNotClosed() const;
  // The restore is done; `model` is null if it brought none. No effect if closed.
  void Open(std::shared_ptr<const proto::ModelSpec> model);
  // Answers everyone who waits with `reason`, as it will every later request.
  void Close(const Status& reason);

  // FailedPrecondition: none is declared yet.
  StatusOr<std::shared_ptr<const proto::ModelSpec>> model() const;
  // Sets the model, which has passed CheckModel. Calls `create` if there was none; requests that
  // need the model are posted after what `create` posts.
  Status Declare(const proto::ModelSpec& model,
                 absl::FunctionRef<void(std::shared_ptr<const proto::ModelSpec>)> create);

  struct PushOrder {
    uint32_t worker = 0;
    uint64_t sequence = 0;
    uint64_t step = 0;
    bool last = false;
    bool empty = false;
  };

  // Calls `apply` when it is the push's turn, if it was never seen before; it posts the work to the
  // owner threads and does nothing else. The work ends with FinishPush. Calls `done` when the push
  // is applied, or refused. Returns whether it was seen before.
  bool BeginPush(const PushOrder& order,
                 absl::AnyInvocable<void()> apply,
                 AppliedPushes::Done done);
  void FinishPush(uint32_t worker, uint64_t sequence, const Status& status);

  // Calls `read` with OK when it is the pull's turn, or with the reason why it never will be.
  void BeginPull(uint32_t worker, uint64_t step, StepGate::Action read);

  // Whether BeginPull may keep a pull; it then calls `read` with the session's lock held.
  bool holds_pulls() const { return bsp_ || stale_.has_value(); }

  // As in PullResponse.oldest_step; 0 but in ssp. May be called where BeginPull calls `read`.
  uint64_t oldest_step() const { return oldest_step_.load(); }

  CutState& cut() { return cut_; }

 private:
  Status CheckOpenLocked() const;
  Status AdmitPush(const PushOrder& order,
                   absl::AnyInvocable<void()>& apply,
                   AppliedPushes::Done& done,
                   AppliedPushes::Seen seen);
  // Runs what the gate lets go. They only post; under the lock, so that the order is kept.
  void ReleaseLocked();

  const Epoch epoch_;
  const Ownership ownership_;
  const uint32_t workers_;
  const bool bsp_;
  CutState cut_;  // has a lock of its own

  // Shared, under mutex_.
  mutable std::mutex mutex_;
  bool open_ = false;
  Status closed_;  // not OK: why
  std::shared_ptr<const proto::ModelSpec> model_;
  AppliedPushes applied_;
  StepGate gate_;                          // of bsp
  std::optional<StalenessGate> stale_;     // in ssp only
  std::atomic<uint64_t> oldest_step_ = 0;  // of stale_, for those who do not have the lock
};

// The session of today. Thread-safety: any thread.
class CurrentSession {
 public:
  // Aborted: no such epoch today, or it is not open.
  StatusOr<std::shared_ptr<Session>> Find(uint64_t epoch) const;

  // Open or not; null before the first restore.
  std::shared_ptr<Session> Get() const;

  // Replaces the session before, and closes it. Aborted unless the epoch is later than before.
  Status Begin(const std::shared_ptr<Session>& next);

  // Ends the session without another one.
  void Stop();

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<Session> session_;  // under mutex_; null before the first restore
};

}  // namespace freshet::ps
