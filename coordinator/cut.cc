#include "coordinator/cut.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "common/crash_point.h"
#include "common/metrics/evaluation.h"
#include "common/mutant.h"
#include "coordinator/base_intake.h"
#include "coordinator/early_stopping.h"
#include "coordinator/gate.h"
#include "coordinator/log.h"
#include "coordinator/manifest_builder.h"

namespace freshet::coordinator {
namespace {

bool BreaksSession(const Status& status) {
  return absl::IsAborted(status) || absl::IsUnavailable(status) || absl::IsCancelled(status);
}

}  // namespace

uint64_t BspCutStep(const std::vector<proto::HoldResponse>& holds) {
  uint64_t smallest = std::numeric_limits<uint64_t>::max();
  uint64_t largest = 0;
  for (const proto::HoldResponse& hold : holds) {
    largest = std::max<uint64_t>(largest, hold.step());
    if (!hold.finished()) {
      smallest = std::min<uint64_t>(smallest, hold.step());
    }
  }
  return std::min(smallest, largest);  // when all have finished: all they did
}

Cut::Cut(const Context& context,
         const Session& session,
         const CutPlan& plan,
         TakenWindows* windows,
         Edits* edits,
         GiveUp give_up)
    : context_(context),
      session_(session),
      plan_(plan),
      windows_(windows),
      edits_(edits),
      give_up_(std::move(give_up)) {}

CutResult Cut::Run() {
  const auto begin = context_.env.clock.Monotonic();
  Status status = Pause();
  if (status.ok()) {
    status = ApplyEdits();
  }
  result_.unchanged =
      status.ok() && !plan_.even_unchanged && edits_->empty() && SameProgress(plan_.head, states_);
  if (status.ok() && !result_.unchanged) {
    status = Flip();
  }
  if (!BreaksSession(status)) {
    const std::string failed_step = step_;
    const Status resumed = Resume();
    result_.broken = !resumed.ok();  // a worker that holds on for ever would be worse
    if (status.ok()) {
      status = resumed;
    } else {
      step_ = failed_step;
    }
  }
  result_.pause = context_.env.clock.Monotonic() - begin;
  if (status.ok() && !result_.unchanged) {
    status = Write();
    if (status.ok()) {
      status = Commit();
    }
    if (status.ok()) {
      status = End(true);
      result_.broken = !status.ok();
    }
  }
  result_.status = status;
  if (!status.ok()) {
    result_.unchanged = false;
    result_.failed_step = step_;
    result_.broken = result_.broken || BreaksSession(status);
    Undo();
  }
  return std::move(result_);
}

Status Cut::Pause() {
  step_ = "hold";
  proto::HoldRequest hold;
  hold.set_epoch(session_.epoch.value());
  FRESHET_ASSIGN_OR_RETURN(
      const auto holds,
      CallAll<proto::HoldResponse>(
          session_.workers, rpc::Method::kHold, hold, plan_.timeout, give_up_));
  CrashPoint("after_hold");

  if (Mutant("cut_takes_no_new_positions") && plan_.version.value() % 4 == 0 &&
      plan_.head.version() != 0) {
    states_.assign(plan_.head.workers().begin(), plan_.head.workers().end());
  }
  step_ = "pause";
  const uint64_t common_step = BspCutStep(holds);
  std::vector<proto::PauseRequest> pauses(holds.size());
  for (size_t i = 0; i < holds.size(); ++i) {
    pauses[i].set_epoch(session_.epoch.value());
    pauses[i].set_step(context_.options.bsp ? common_step : holds[i].step());
  }
  FRESHET_ASSIGN_OR_RETURN(
      auto states,
      CallEach<proto::PauseResponse>(
          session_.workers, rpc::Method::kPause, pauses, plan_.timeout, give_up_));
  for (size_t i = states_.size(); i < states.size(); ++i) {
    states_.push_back(std::move(*states[i].mutable_state()));
    states_.back().set_worker(session_.workers[i].info.rank);
  }
  FRESHET_RETURN_IF_ERROR(CompletePositions(plan_.head, &states_));
  CrashPoint("after_pause");
  return absl::OkStatus();
}

// Looking through all rows takes as long as reading them does.
Status Cut::ApplyEdits() {
  if (edits_->empty()) {
    return absl::OkStatus();
  }
  step_ = "edit";
  FRESHET_RETURN_IF_ERROR(edits_->Apply(session_, context_.options.restore_timeout, give_up_));
  CrashPoint("after_edit");
  return absl::OkStatus();
}

Status Cut::Flip() {
  step_ = "cut";
  proto::CutRequest request;
  request.set_epoch(session_.epoch.value());
  request.set_version(plan_.version.value());
  request.set_full(plan_.full);
  result_.heard_of = true;
  FRESHET_RETURN_IF_ERROR(CallAll<proto::CutResponse>(
                              session_.servers, rpc::Method::kCut, request, plan_.timeout, give_up_)
                              .status());
  flipped_ = true;
  CrashPoint("after_cut");
  return absl::OkStatus();
}

Status Cut::Resume() {
  step_ = "resume";
  proto::ResumeRequest request;
  request.set_epoch(session_.epoch.value());
  // Whether it will be committed is not known yet. If not, the windows wait for the next version.
  request.set_window_taken(flipped_);
  FRESHET_RETURN_IF_ERROR(
      CallAll<proto::ResumeResponse>(
          session_.workers, rpc::Method::kResume, request, plan_.timeout, give_up_)
          .status());
  if (flipped_) {
    TakeWindows();
  }
  CrashPoint("after_resume");
  return absl::OkStatus();
}

void Cut::TakeWindows() {
  for (proto::WorkerState& state : states_) {
    const auto waiting = windows_->find(state.worker());
    if (waiting != windows_->end()) {
      EvaluationSums sums(waiting->second);
      sums.Merge(EvaluationSums(state.window()));
      *state.mutable_window() = sums.ToProto();
    }
    (*windows_)[state.worker()] = state.window();
  }
}

Status Cut::Write() {
  step_ = "write";
  FRESHET_RETURN_IF_ERROR(context_.log.Prepare(plan_.version));
  proto::WriteCutRequest request;
  request.set_epoch(session_.epoch.value());
  request.set_version(plan_.version.value());
  request.set_row_limit(context_.options.gate.row_limit);
  request.set_serving_values(context_.options.serving_values);
  request.set_zstd(context_.options.zstd);
  FRESHET_ASSIGN_OR_RETURN(
      auto written,
      CallAll<proto::WriteCutResponse>(
          session_.servers, rpc::Method::kWriteCut, request, plan_.timeout, give_up_));
  for (size_t i = 0; i < written.size(); ++i) {
    for (proto::PartFile& part : *written[i].mutable_parts()) {
      part.set_server(session_.servers[i].info.rank);
      parts_.push_back(std::move(part));
    }
  }
  return absl::OkStatus();
}

Status Cut::Commit() {
  step_ = "commit";
  proto::Manifest manifest = BuildManifest({.version = plan_.version,
                                            .parent = VersionId(plan_.head.version()),
                                            .full = plan_.full,
                                            .epoch = session_.epoch,
                                            .now_unix_ms = context_.env.clock.UnixMillis(),
                                            .partition_count = context_.options.partition_count,
                                            .model = context_.options.model,
                                            .metrics_before = plan_.head.metrics(),
                                            .slices = context_.options.slices,
                                            .parts = std::move(parts_),
                                            .states = std::move(states_)});
  *manifest.mutable_skips() = plan_.head.skips();
  const size_t held_out = HeldOutSlice(context_.options);
  *manifest.mutable_gate() = Judge(context_.options.gate, held_out, plan_.head, manifest);
  if (const auto& rules = context_.options.early_stopping; rules.has_value()) {
    *manifest.mutable_early_stopping() = Assess(*rules, held_out, plan_.head, manifest);
  }
  if (plan_.head.has_base_intake()) {
    *manifest.mutable_base_intake() = CatchUp(context_.options.gate, plan_.head, manifest);
  }
  manifest.set_published(plan_.full && plan_.published);
  if (Mutant("cut_commits_without_a_part") && manifest.parts_size() > 1) {
    manifest.mutable_parts()->RemoveLast();
  }
  CrashPoint("before_manifest");
  FRESHET_RETURN_IF_ERROR(CommitForSure(context_.log, manifest));
  CrashPoint("after_manifest");
  result_.committed = true;
  result_.manifest = std::move(manifest);
  windows_->clear();
  return absl::OkStatus();
}

Status Cut::End(bool committed) {
  step_ = "end";
  proto::EndCutRequest request;
  request.set_epoch(session_.epoch.value());
  request.set_version(plan_.version.value());
  request.set_committed(committed);
  return CallAll<proto::EndCutResponse>(
             session_.servers, rpc::Method::kEndCut, request, plan_.timeout, give_up_)
      .status();
}

void Cut::Undo() {
  // A server may have flipped even if another, or the answer, failed.
  if (result_.broken || result_.committed || !result_.heard_of) {
    return;
  }
  const Status undone = End(false);
  if (!undone.ok()) {
    Log().warn(
        "could not undo a cut version={} error=\"{}\"", plan_.version.value(), undone.ToString());
    result_.broken = true;
  }
}

}  // namespace freshet::coordinator
