#include "coordinator/control.h"

#include <algorithm>
#include <utility>

#include "common/crash_point.h"
#include "common/model/feature_policy.h"
#include "coordinator/log.h"
#include "coordinator/recovery.h"
#include "coordinator/scores.h"
#include "coordinator/status.h"

namespace freshet::coordinator {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using Phase = proto::StatusResponse;

constexpr milliseconds kFirstBackoff{100};
constexpr milliseconds kLargestBackoff{2000};
// A cut that fails so often in a row, and not for want of disk, will not succeed by itself.
constexpr uint32_t kMostFailedCuts = 10;
// Sessions that begin with a base and bring no version. Members die, but not so often.
constexpr uint32_t kMostIntakeTries = 8;
// How soon a cut is tried again if somebody waits for its version.
constexpr milliseconds kAwaitedCutAgain{1000};

double Seconds(nanoseconds duration) {
  return std::chrono::duration<double>(duration).count();
}

std::string CodeName(const Status& status) {
  return absl::StatusCodeToString(status.code());
}

}  // namespace

Control::Control(const Context& context,
                 const Membership& membership,
                 ControlQueue& queue,
                 Housekeeper& housekeeper,
                 Compactor& compactor,
                 BaseWatcher* bases,
                 Board& board,
                 CoordinatorMetrics& metrics)
    : context_(context),
      membership_(membership),
      queue_(queue),
      housekeeper_(housekeeper),
      compactor_(compactor),
      bases_(bases),
      board_(board),
      metrics_(metrics),
      numbers_(context.store, context.log),
      serving_(context.env.transport, membership) {
  thread_ = std::thread([this] { Run(); });
}

Control::~Control() {
  queue_.Close();
  thread_.join();
}

void Control::Run() {
  while (!queue_.closed()) {
    if (session_.has_value()) {
      Supervise();
    }
    if (!session_.has_value()) {
      Form();
    }
    AnswerAsks();
    queue_.Wait(UntilNextLook());
  }
  if (session_.has_value() && phase_ == Phase::TRAINING && !EndBrokenSession()) {
    MakeCut(false, std::min(context_.options.stop_timeout, context_.options.rpc_timeout));
  }
  WriteScores(context_);
  RefuseAll();
}

nanoseconds Control::UntilNextLook() const {
  nanoseconds at = context_.env.clock.Monotonic() + context_.options.heartbeat_every;
  if (phase_ == Phase::TRAINING) {
    at = std::min(at, next_cut_);
  } else if (phase_ == Phase::RECOVERING) {
    at = std::min(at, retry_at_);
  }
  return std::max(at - context_.env.clock.Monotonic(), nanoseconds(0));
}

void Control::Enter(proto::StatusResponse::Phase phase, const std::string& waiting_for) {
  if (phase != phase_ || waiting_for != waiting_for_) {
    Log().info("phase={}{}{}",
               proto::StatusResponse::Phase_Name(phase),
               waiting_for.empty() ? "" : " waiting_for=",
               waiting_for);
  }
  phase_ = phase;
  waiting_for_ = waiting_for;
  board_.Update([&](Progress& progress) {
    progress.phase = phase;
    progress.waiting_for = waiting_for;
  });
}

void Control::Record(const std::string& kind, const std::string& text, uint64_t version) {
  context_.events.Record(kind, version, text);
}

Status Control::GiveUpRecovery() const {
  if (queue_.closed()) {
    return Cancelled("the coordinator stops");
  }
  const std::string lost = membership_.Lost(session_->members());
  return lost.empty() ? absl::OkStatus() : Aborted("{}", lost);
}

// A cut under way may still be made when the coordinator is to stop, but not for ever.
Status Control::GiveUpCut() {
  if (queue_.closed()) {
    const nanoseconds now = context_.env.clock.Monotonic();
    stop_seen_ = stop_seen_.value_or(now);
    if (now - *stop_seen_ > context_.options.stop_timeout) {
      return Cancelled("the coordinator stops");
    }
  }
  const std::string lost = membership_.Lost(session_->members());
  return lost.empty() ? absl::OkStatus() : Aborted("{}", lost);
}

void Control::Form() {
  if (edits_.awaited() &&
      context_.env.clock.Monotonic() - session_ended_ > context_.options.rpc_timeout) {
    edits_.TellLate(NotTraining());  // somebody stays away, or cannot be restored
  }
  const std::string missing = membership_.Missing();
  if (!missing.empty()) {
    Enter(Phase::FORMING, missing);
    return;
  }
  if (context_.env.clock.Monotonic() < retry_at_) {
    return;
  }
  const Status status = BeginSession();
  if (status.ok()) {
    next_cut_ = context_.env.clock.Monotonic();
    if (edits_.empty() && !intake_.has_value()) {
      next_cut_ += context_.options.cut_every;
    }
    Enter(Phase::TRAINING, "");
    AnswerRollbacks();
    return;
  }
  session_.reset();
  if (absl::IsCancelled(status)) {
    return;
  }
  if (intake_.has_value() && absl::IsInvalidArgument(status)) {
    RefuseBase(status);
  }
  const milliseconds backoff = NextBackoff();
  retry_at_ = context_.env.clock.Monotonic() + backoff;
  metrics_.CountFailedRecovery();
  Record("recovery_failed", status.ToString());
  Log().error("recovery failed again_in_ms={} error=\"{}\"", backoff.count(), status.ToString());
  Enter(Phase::RECOVERING, MessageOf(status));
}

Status Control::BeginSession() {
  if (intake_.has_value() && ++intake_tries_ > kMostIntakeTries) {
    RefuseBase(FailedPrecondition("no version could be made with it in {} tries; the last one: {}",
                                  kMostIntakeTries,
                                  waiting_for_));
  }
  FRESHET_ASSIGN_OR_RETURN(const Epoch epoch, BeginEpoch(context_, membership_.LargestEpoch()));
  board_.Update([&](Progress& progress) { progress.epoch = epoch.value(); });
  Enter(Phase::RECOVERING, "servers restore, workers start");
  session_ = MakeSession(
      context_.env.transport, epoch, membership_.Up(proto::PS), membership_.Up(proto::WORKER));
  if (session_->servers.size() != context_.options.servers ||
      session_->workers.size() != context_.options.workers) {
    return Unavailable("{}", membership_.Missing());
  }
  const auto versions_stay = housekeeper_.KeepAll();
  Recovery recovery(context_, numbers_, [this] { return GiveUpRecovery(); });
  FRESHET_ASSIGN_OR_RETURN(
      Restored restored, recovery.Run(*session_, intake_.has_value() ? &intake_.value() : nullptr));
  head_ = std::move(restored.head);
  chain_ = restored.chain;
  compacted_ = compactor_.newest_base();
  last_cut_due_ = false;
  force_base_ = force_base_ || intake_.has_value();
  board_.Update([&](Progress& progress) {
    progress.version = head_.version();
    progress.event_time_watermark_ms = head_.event_time_watermark_ms();
  });
  if (head_.version() != 0) {
    serving_.Tell(VersionId(head_.version()));
  }
  Record("epoch",
         fmt::format("epoch={} version={} rows={}", epoch.value(), head_.version(), restored.rows),
         head_.version());
  Log().info("session begun epoch={} version={} rows={} servers={} workers={}",
             epoch.value(),
             head_.version(),
             restored.rows,
             session_->servers.size(),
             session_->workers.size());
  return absl::OkStatus();
}

// At once, then after a while that doubles as long as no cut goes well in between.
milliseconds Control::NextBackoff() {
  const uint32_t tries = tries_in_row_++;
  if (tries == 0) {
    return milliseconds(0);
  }
  return std::min(kFirstBackoff * (1U << std::min(tries - 1, 10U)), kLargestBackoff);
}

void Control::Supervise() {
  if (EndBrokenSession()) {
    return;
  }
  WatchServing();
  LookForBase();
  if (!session_.has_value()) {
    return;
  }
  const nanoseconds now = context_.env.clock.Monotonic();
  const bool finished = AllFinished();
  if (finished && !last_cut_due_) {
    last_cut_due_ = true;
    next_cut_ = now;
    // Also if nothing has changed since the head.
    force_base_ =
        force_base_ || (context_.options.final_base && head_.kind() != proto::Manifest::BASE);
  }
  const bool wanted = phase_ == Phase::TRAINING || force_base_ || !edits_.empty();
  if (!wanted || now < next_cut_) {
    return;
  }
  const CutResult result = MakeCut(false, context_.options.rpc_timeout);
  if (result.committed) {
    ObeyGate();
  }
  if (result.status.ok()) {
    StopEarly(finished);
  }
  if (phase_ == Phase::TRAINING && finished && result.status.ok()) {
    CrashPoint("before_finished");
    WriteScores(context_);
    Record("finished", fmt::format("version={}", head_.version()), head_.version());
    Enter(Phase::FINISHED, "");
  }
}

bool Control::EndBrokenSession() {
  const std::string lost = membership_.Lost(session_->members());
  if (!lost.empty()) {
    Rewind("member_lost", lost);
    return true;
  }
  for (const MemberInfo& member : session_->members()) {
    const auto report = membership_.ReportOf(member);
    if (report.has_value() && report->epoch() == session_->epoch.value() &&
        !report->error().empty()) {
      Rewind("member_error", MemberName(member.role, member.rank) + ": " + report->error());
      return true;
    }
  }
  return false;
}

bool Control::AllFinished() const {
  return std::all_of(
      session_->workers.begin(), session_->workers.end(), [this](const Peer& worker) {
        const auto report = membership_.ReportOf(worker.info);
        return report.has_value() && report->epoch() == session_->epoch.value() &&
               report->finished();
      });
}

// A version that serving refuses as damaged keeps it from all deltas that build on it. Training
// has the rows in memory: a base makes the damaged file unimportant.
void Control::WatchServing() {
  const uint64_t served = OldestServed(membership_.Everyone());
  if (served > served_) {
    Record("served", "by every serving node that is up", served);
  }
  served_ = served;
  const std::string stuck = serving_.NewlyStuck(VersionId(head_.version()));
  if (stuck.empty()) {
    return;
  }
  force_base_ = true;
  const std::string text = fmt::format(
      "{} refused a damaged version: the one after {} will be a base", stuck, head_.version());
  Record("refused", text);
  Log().error("{}", text);
}

// A restore reads the base and all deltas since: they are to stay in proportion, however large the
// model and however small the deltas.
bool Control::ChainIsLong() const {
  const double grown = context_.options.base_growth * static_cast<double>(chain_.base_bytes);
  return chain_.versions >= context_.options.base_every ||
         static_cast<double>(chain_.delta_bytes) > grown;
}

// Whether the servers are to write all rows. A chain that has grown long becomes a base without
// them, unless rows must be judged anew whether they are for serving.
bool Control::BaseIsDue() const {
  const auto& variables = context_.options.model.embedding_variables();
  const bool judged = std::any_of(variables.begin(), variables.end(), [](const auto& variable) {
    return ServesByScore(variable.policy());
  });
  return head_.version() == 0 || force_base_ || (last_cut_due_ && context_.options.final_base) ||
         (judged && ChainIsLong());
}

void Control::LookAtChain() {
  if (const VersionId newest = compactor_.newest_base(); newest > compacted_) {
    compacted_ = newest;
    if (const auto chain = context_.log.Chain(VersionId(head_.version())); chain.ok()) {
      chain_ = SizeOf(*chain);
    }
  }
  compactor_.Look(VersionId(head_.version()), ChainIsLong() && !BaseIsDue());
}

CutResult Control::MakeCut(bool even_unchanged, milliseconds timeout) {
  const nanoseconds begin = context_.env.clock.Monotonic();
  next_cut_ = begin + context_.options.cut_every;
  CutResult result;
  const auto version = numbers_.Next();
  if (!version.ok()) {
    result.status = version.status();
    result.failed_step = "number";
  } else {
    const CutPlan plan{.version = *version,
                       .head = head_,
                       .full = BaseIsDue(),
                       .published = last_cut_due_ && context_.options.final_base,
                       .even_unchanged = even_unchanged || force_base_,
                       .timeout = timeout};
    result =
        Cut(context_, *session_, plan, &windows_, &edits_, [this] { return GiveUpCut(); }).Run();
  }
  if (result.heard_of) {
    numbers_.Use();
  }
  if (result.status.ok()) {
    failed_in_row_ = 0;
    tries_in_row_ = 0;
  }
  if (result.committed) {
    NoteCut(result, begin);
  }
  if (!result.status.ok()) {
    NoteFailedCut(result);
  }
  return result;
}

void Control::NoteCut(const CutResult& result, nanoseconds begin) {
  const int64_t watermark_before = head_.event_time_watermark_ms();
  const bool caught_up_before = !head_.base_intake().catching_up();
  head_ = result.manifest;
  KeepScores(context_, head_);
  Record("version_committed",
         fmt::format("kind={} samples={} auc={:.4f} log_loss={:.4f} event_time_ms={}",
                     proto::Manifest::Kind_Name(head_.kind()),
                     head_.metrics().samples(),
                     head_.metrics().auc(),
                     head_.metrics().log_loss(),
                     head_.event_time_watermark_ms()),
         head_.version());
  NoteIntake(caught_up_before);
  NoteVerdict();
  NoteWatermark(watermark_before);
  housekeeper_.Wake();
  const bool base = head_.kind() == proto::Manifest::BASE;
  chain_.Add(head_);
  LookAtChain();
  force_base_ = force_base_ && !base;
  const nanoseconds duration = context_.env.clock.Monotonic() - begin;
  metrics_.CountCut(Seconds(result.pause), Seconds(duration));
  metrics_.SetScores(head_.metrics());
  board_.Update([&](Progress& progress) {
    progress.version = head_.version();
    progress.event_time_watermark_ms = head_.event_time_watermark_ms();
    progress.cut_pause_ms = Seconds(result.pause) * 1e3;
    ++progress.cuts;
  });
  serving_.Tell(VersionId(head_.version()));
  for (const std::string& edit : edits_.Commit(VersionId(head_.version()))) {
    Record("edit", edit);
  }
  Log().info("cut version={} kind={} parts={} samples={} pause_ms={:.2f} ms={:.1f}",
             head_.version(),
             proto::Manifest::Kind_Name(head_.kind()),
             head_.parts_size(),
             head_.metrics().samples(),
             Seconds(result.pause) * 1e3,
             Seconds(duration) * 1e3);
}

void Control::NoteFailedCut(const CutResult& result) {
  bool broken = result.broken;
  if (!result.committed) {
    metrics_.CountFailedCut(result.failed_step, CodeName(result.status));
    board_.Update([](Progress& progress) { ++progress.failed_cuts; });
    if (!broken && result.heard_of) {
      const auto versions_stay = housekeeper_.KeepAll();
      RemoveLeftovers(context_);
    }
    if (absl::IsResourceExhausted(result.status)) {
      edits_.TellLate(result.status);
    } else if (++failed_in_row_ >= kMostFailedCuts) {
      broken = true;
    }
    if (edits_.awaited()) {
      next_cut_ = std::min(next_cut_, context_.env.clock.Monotonic() + kAwaitedCutAgain);
    }
  }
  const std::string text =
      fmt::format("step={} error=\"{}\"", result.failed_step, result.status.ToString());
  Record("cut_failed", text);
  Log().error("cut failed {} session={}", text, broken ? "broken" : "goes on");
  if (broken && !queue_.closed() && !EndBrokenSession()) {
    Rewind("cut_failed", text);
  }
}

void Control::Rewind(const std::string& reason, const std::string& text) {
  Log().warn("rewind reason={} epoch={} version={} why=\"{}\"",
             reason,
             session_->epoch.value(),
             head_.version(),
             text);
  Record("rewind", reason + ": " + text);
  metrics_.CountRewind(reason);
  session_.reset();
  session_ended_ = context_.env.clock.Monotonic();
  windows_.clear();
  edits_.Rewind();
  failed_in_row_ = 0;
  // A rollback is asked for, and its session is no worse than another.
  const bool asked_for = reason == "rollback" || reason == "base_found";
  const milliseconds backoff = asked_for ? milliseconds(0) : NextBackoff();
  retry_at_ = context_.env.clock.Monotonic() + backoff;
  Enter(Phase::RECOVERING, text);
  // Only now: nobody sees the rewind counted and training going on as before it.
  board_.Update([](Progress& progress) { ++progress.rewinds; });
}

}  // namespace freshet::coordinator
