#include "ps/session.h"

#include <optional>
#include <utility>
#include <vector>

#include "common/mutant.h"
#include "ps/model_check.h"

namespace freshet::ps {

Session::Session(const proto::RestoreRequest& request, uint32_t owner_threads)
    : epoch_(request.epoch()),
      ownership_(PartitionMap(request.partition_count(), request.servers()),
                 request.server(),
                 owner_threads),
      workers_(request.workers()),
      bsp_(request.bsp()),
      applied_(request.workers()),
      gate_(request.workers()) {
  if (request.ssp()) {
    stale_.emplace(request.workers(), request.staleness());
  }
}

Status Session::CheckOpenLocked() const {
  if (!closed_.ok()) {
    return closed_;
  }
  return open_ ? absl::OkStatus()
               : Aborted("epoch {} is being restored: try again later", epoch_.value());
}

Status Session::CheckOpen() const {
  const std::lock_guard lock(mutex_);
  return CheckOpenLocked();
}

Status Session::CheckNotClosed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

void Session::Open(std::shared_ptr<const proto::ModelSpec> model) {
  const std::lock_guard lock(mutex_);
  open_ = true;
  model_ = std::move(model);
}

void Session::Close(const Status& reason) {
  std::vector<AppliedPushes::Done> pushes;
  std::vector<StepGate::Action> held;
  {
    const std::lock_guard lock(mutex_);
    if (!closed_.ok()) {
      return;
    }
    closed_ = reason;
    pushes = applied_.TakeAll();
    held = gate_.TakeAll();
    if (stale_) {
      for (StepGate::Action& action : stale_->TakeAll()) {
        held.push_back(std::move(action));
      }
    }
  }
  for (AppliedPushes::Done& done : pushes) {
    done(reason);
  }
  for (StepGate::Action& action : held) {
    action(reason);
  }
}

StatusOr<std::shared_ptr<const proto::ModelSpec>> Session::model() const {
  const std::lock_guard lock(mutex_);
  if (model_ == nullptr) {
    return FailedPrecondition("no model is declared in epoch {} yet", epoch_.value());
  }
  return model_;
}

Status Session::Declare(const proto::ModelSpec& model,
                        absl::FunctionRef<void(std::shared_ptr<const proto::ModelSpec>)> create) {
  const std::lock_guard lock(mutex_);
  FRESHET_RETURN_IF_ERROR(CheckOpenLocked());
  if (model_ != nullptr) {
    return CheckSameModel(*model_, model);
  }
  model_ = std::make_shared<const proto::ModelSpec>(model);
  create(model_);
  return absl::OkStatus();
}

bool Session::BeginPush(const PushOrder& order,
                        absl::AnyInvocable<void()> apply,
                        AppliedPushes::Done done) {
  Status answer;
  bool repeated = false;
  {
    const std::lock_guard lock(mutex_);
    StatusOr<AppliedPushes::Seen> seen = applied_.Find(order.worker, order.sequence);
    answer = CheckOpenLocked();
    answer.Update(seen.status());
    repeated = seen.ok() && *seen != AppliedPushes::Seen::kNever;
    if (answer.ok() && *seen != AppliedPushes::Seen::kApplied) {
      answer = AdmitPush(order, apply, done, *seen);
    }
  }
  if (done) {
    done(answer);
  }
  return repeated;
}

// Takes `done` if it is to be called later; what is left in `done` is answered now.
Status Session::AdmitPush(const PushOrder& order,
                          absl::AnyInvocable<void()>& apply,
                          AppliedPushes::Done& done,
                          AppliedPushes::Seen seen) {
  if (seen == AppliedPushes::Seen::kInProgress) {
    std::optional<AppliedPushes::Done> oldest =
        applied_.Wait(order.worker, order.sequence, std::exchange(done, nullptr));
    done = oldest ? *std::move(oldest) : nullptr;
    return Unavailable(
        "push {} of worker {}: too many repetitions of it wait", order.sequence, order.worker);
  }
  const bool leaves = order.empty && order.last;
  if (bsp_) {
    FRESHET_RETURN_IF_ERROR(gate_.CheckPush(order.worker, order.step, leaves));
  }
  if (stale_) {
    FRESHET_RETURN_IF_ERROR(stale_->CheckPush(order.worker, order.step));
  }
  applied_.Begin(order.worker, order.sequence, std::exchange(done, nullptr));
  if (Mutant("ps_acknowledges_without_applying") && order.sequence % 16 == 7 && !order.last) {
    for (AppliedPushes::Done& answer : applied_.Finish(order.worker, order.sequence)) {
      answer(absl::OkStatus());
    }
    return absl::OkStatus();
  }
  if (bsp_ && !leaves) {
    gate_.HoldPush(order.worker,
                   order.step,
                   order.last,
                   [apply = std::move(apply)](const Status& status) mutable {
                     if (status.ok()) {
                       apply();
                     }
                   });
  } else {
    apply();
  }
  if (bsp_ && leaves) {
    gate_.Leave(order.worker, order.step);
  }
  if (stale_) {
    // Its rows are changed before those of any pull that is let go now are read.
    stale_->Pushed(order.worker, order.step);
    if (order.last) {
      stale_->Leave(order.worker);
    }
    oldest_step_ = stale_->oldest();
  }
  ReleaseLocked();
  return absl::OkStatus();
}

void Session::ReleaseLocked() {
  for (StepGate::Action& action : gate_.Release()) {
    action(absl::OkStatus());
  }
  if (stale_) {
    for (StepGate::Action& action : stale_->Release()) {
      action(absl::OkStatus());
    }
  }
}

void Session::FinishPush(uint32_t worker, uint64_t sequence, const Status& status) {
  std::vector<AppliedPushes::Done> waiting;
  {
    const std::lock_guard lock(mutex_);
    waiting = applied_.Finish(worker, sequence);
  }
  for (AppliedPushes::Done& done : waiting) {
    done(status);
  }
}

void Session::BeginPull(uint32_t worker, uint64_t step, StepGate::Action read) {
  Status status;
  std::optional<StepGate::Action> given_up;
  {
    const std::lock_guard lock(mutex_);
    status = CheckOpenLocked();
    if (status.ok() && bsp_) {
      status = gate_.CheckPull(worker);
      if (status.ok()) {
        given_up = gate_.HoldPull(worker, step, std::exchange(read, nullptr));
        ReleaseLocked();
      }
    } else if (status.ok() && stale_) {
      status = stale_->CheckPull(worker);
      if (status.ok()) {
        given_up = stale_->HoldPull(worker, step, std::exchange(read, nullptr));
        ReleaseLocked();
      }
    }
  }
  if (given_up) {
    (*given_up)(
        Unavailable("worker {} has too many pulls waiting, and this is the oldest", worker));
  }
  if (read) {
    read(status);
  }
}

std::shared_ptr<Session> CurrentSession::Get() const {
  const std::lock_guard lock(mutex_);
  return session_;
}

StatusOr<std::shared_ptr<Session>> CurrentSession::Find(uint64_t epoch) const {
  std::shared_ptr<Session> session = Get();
  if (session == nullptr) {
    return Aborted("epoch {}: this server is not restored yet", epoch);
  }
  if (epoch < session->epoch().value() && !Mutant("ps_accepts_old_epochs")) {
    return Aborted("epoch {} is over, {} began", epoch, session->epoch().value());
  }
  if (epoch > session->epoch().value()) {
    return Aborted("epoch {} has not begun here, it is {}", epoch, session->epoch().value());
  }
  FRESHET_RETURN_IF_ERROR(session->CheckOpen());
  return session;
}

Status CurrentSession::Begin(const std::shared_ptr<Session>& next) {
  std::shared_ptr<Session> before;
  {
    const std::lock_guard lock(mutex_);
    if (session_ != nullptr && next->epoch() <= session_->epoch() &&
        !Mutant("ps_begins_old_epochs")) {
      return Aborted(
          "epoch {} is over, {} began", next->epoch().value(), session_->epoch().value());
    }
    before = std::exchange(session_, next);
  }
  if (before != nullptr) {
    before->Close(
        Aborted("epoch {} is over, {} began", before->epoch().value(), next->epoch().value()));
  }
  return absl::OkStatus();
}

void CurrentSession::Stop() {
  if (const std::shared_ptr<Session> session = Get(); session != nullptr) {
    session->Close(Unavailable("the server is stopping"));
  }
}

}  // namespace freshet::ps
