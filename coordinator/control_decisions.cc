// What the control thread decides by what a version measured, and by bases that others publish.
#include <fmt/ranges.h>

#include <utility>

#include "coordinator/control.h"
#include "coordinator/early_stopping.h"
#include "coordinator/gate.h"
#include "coordinator/log.h"

namespace freshet::coordinator {

// Another job's base is the beginning of the next session.
void Control::LookForBase() {
  if (bases_ == nullptr || intake_.has_value()) {
    return;
  }
  std::optional<FoundBase> base = bases_->Newest(head_.base_intake());
  if (!base.has_value()) {
    return;
  }
  const std::string text = fmt::format("version {} of {}, trained up to event_time_ms={}",
                                       base->manifest.version(),
                                       base->log_dir,
                                       base->manifest.event_time_watermark_ms());
  const Status fits = CheckBase(context_.options, *base, head_);
  if (absl::IsUnavailable(fits)) {
    return;  // later
  }
  intake_ = std::move(base);
  intake_tries_ = 0;
  Record("base_found", text, head_.version());
  if (fits.ok()) {
    Rewind("base_found", text);
  } else {
    RefuseBase(fits);
  }
}

void Control::RefuseBase(const Status& why) {
  const std::string text = fmt::format(
      "version {} of {}: {}", intake_->manifest.version(), intake_->log_dir, MessageOf(why));
  Record("base_refused", text, head_.version());
  Log().error("refused a base {}", text);
  bases_->Refuse(*intake_);
  intake_.reset();
}

void Control::NoteIntake(bool caught_up_before) {
  const proto::BaseIntake& intake = head_.base_intake();
  if (intake_.has_value()) {
    Record("base_taken_in",
           fmt::format("version {} of {}; serving stays at {} until the line has caught up",
                       intake.version(),
                       intake.log_dir(),
                       intake.online_version()),
           head_.version());
    intake_.reset();
    caught_up_before = false;
  }
  if (!caught_up_before && !intake.catching_up()) {
    Record("base_caught_up",
           fmt::format("version {} of {}", intake.version(), intake.log_dir()),
           head_.version());
  }
}

void Control::NoteVerdict() {
  const proto::GateState& gate = head_.gate();
  if (!IsVerdict(gate)) {
    return;
  }
  if (gate.verdict() == proto::GateState::PASSED) {
    Record("validated",
           fmt::format("auc={:.4f} log_loss={:.4f}", gate.passed_auc(), gate.passed_log_loss()),
           head_.version());
    return;
  }
  const std::string reasons = fmt::format("{}", fmt::join(gate.reasons(), "; "));
  metrics_.CountRejected();
  Log().warn("the gate rejected version={} in_row={} reasons=\"{}\"",
             head_.version(),
             gate.failures_in_row(),
             reasons);
  Record("rejected", fmt::format("in_row={} {}", gate.failures_in_row(), reasons), head_.version());
}

void Control::NoteWatermark(int64_t before) {
  const int64_t every = context_.options.watermark_every.count();
  const int64_t now = head_.event_time_watermark_ms();
  if (now / every > before / every) {
    Record("watermark", fmt::format("event_time_ms={}", now / every * every), head_.version());
  }
}

// After so many failed verdicts in a row the model goes back to the last version that passed.
void Control::ObeyGate() {
  const GateRules& rules = context_.options.gate;
  const proto::GateState& gate = head_.gate();
  if (rules.rollback_after == 0 || !IsVerdict(gate) ||
      gate.failures_in_row() < rules.rollback_after || gate.passed_version() == 0 ||
      !session_.has_value()) {
    return;
  }
  const Status status =
      RollBack(VersionId(gate.passed_version()), {.keep_positions = rules.rollback_skips});
  if (!status.ok()) {
    Record("rollback_failed", status.ToString(), gate.passed_version());
    Log().error("the gate could not roll back to={} error=\"{}\"",
                gate.passed_version(),
                status.ToString());
  }
}

// Goes back to the version with the best held-out scores, for good.
void Control::StopEarly(bool finished) {
  const auto& rules = context_.options.early_stopping;
  const proto::EarlyStopping& state = head_.early_stopping();
  if (!rules.has_value() || !session_.has_value() || !IsOver(*rules, state, finished)) {
    return;
  }
  const VersionId best(state.best_version());
  Record("early_stopped",
         fmt::format("best version={} log_loss={:.5f}, {} assessments without an improvement",
                     best.value(),
                     state.best_log_loss(),
                     state.without_improvement()),
         best.value());
  const Status status = RollBack(best, {.stop = true});
  if (!status.ok()) {
    Record("rollback_failed", status.ToString(), best.value());
    Log().error("could not stop early at={} error=\"{}\"", best.value(), status.ToString());
  }
}

}  // namespace freshet::coordinator
