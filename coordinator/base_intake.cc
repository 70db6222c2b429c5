#include "coordinator/base_intake.h"

#include <map>
#include <tuple>

#include "common/job/job_config.h"
#include "coordinator/gate.h"
#include "coordinator/model_check.h"

namespace freshet::coordinator {
namespace {

// Null: none was scored.
const proto::SliceMetrics* HeldOutScores(const proto::Manifest& manifest) {
  for (const proto::SliceMetrics& slice : manifest.metrics().slices()) {
    if (slice.name() == kHeldOut && slice.total_samples() > 0) {
      return &slice;
    }
  }
  return nullptr;
}

// Of the window, if it has held-out samples: older scores are of an older model.
double LogLossOf(const proto::SliceMetrics& slice) {
  return slice.samples() > 0 ? slice.log_loss() : slice.total_log_loss();
}

using Place = std::tuple<uint32_t, uint64_t>;  // pass, offset

std::map<std::string, Place> PlacesOf(const proto::Manifest& manifest) {
  std::map<std::string, Place> places;
  for (const proto::WorkerState& worker : manifest.workers()) {
    for (const proto::StreamPosition& position : worker.positions()) {
      places[position.partition()] = {position.pass(), position.offset()};
    }
  }
  return places;
}

bool HasReached(const proto::Manifest& manifest, const proto::BaseIntake& intake) {
  const std::map<std::string, Place> places = PlacesOf(manifest);
  for (const proto::StreamPosition& until : intake.until()) {
    const auto place = places.find(until.partition());
    if (place == places.end() || place->second < Place(until.pass(), until.offset())) {
      return false;
    }
  }
  return true;
}

// What serving has while `head` is the newest version.
uint64_t ServedAt(const proto::Manifest& head) {
  if (head.base_intake().catching_up()) {
    return head.base_intake().online_version();
  }
  return head.gate().verdict() == proto::GateState::REJECTED ? head.gate().passed_version()
                                                             : head.version();
}

}  // namespace

bool IsSameBase(const proto::BaseIntake& a, const proto::BaseIntake& b) {
  return a.log_dir() == b.log_dir() && a.version() == b.version() &&
         a.created_unix_ms() == b.created_unix_ms();
}

proto::BaseIntake IntakeOf(const FoundBase& base) {
  proto::BaseIntake intake;
  intake.set_log_dir(base.log_dir);
  intake.set_version(base.manifest.version());
  intake.set_created_unix_ms(base.manifest.created_unix_ms());
  return intake;
}

Status CheckBase(const Options& options, const FoundBase& base, const proto::Manifest& head) {
  if (base.manifest.config_xxh3() != ModelHash(options.model)) {
    return InvalidArgument("it is of another model: {}",
                           ModelDifferences(base.manifest.model(), options.model));
  }
  const std::optional<double>& most = options.calibration->max_log_loss_rise;
  if (!most.has_value() || head.version() == 0) {
    return absl::OkStatus();
  }
  const proto::SliceMetrics* const theirs = HeldOutScores(base.manifest);
  const proto::SliceMetrics* const ours = HeldOutScores(head);
  if (theirs == nullptr) {
    return InvalidArgument(
        "it has no scores of held-out samples, which max_log_loss_rise compares");
  }
  if (ours == nullptr) {
    return Unavailable("the online model has no scores of held-out samples yet");
  }
  const double rise = LogLossOf(*theirs) - LogLossOf(*ours);
  return rise <= *most ? absl::OkStatus()
                       : InvalidArgument(
                             "its log loss of held-out samples is {:.5f}, that of the online model "
                             "{:.5f}: a rise of {:.5f}, at most {:.5f} is allowed",
                             LogLossOf(*theirs),
                             LogLossOf(*ours),
                             rise,
                             *most);
}

proto::Manifest HeadOf(const Options& options, const FoundBase& base, const proto::Manifest& head) {
  proto::Manifest made = head;
  proto::BaseIntake& intake = *made.mutable_base_intake();
  intake = IntakeOf(base);
  intake.set_online_version(ServedAt(head));
  intake.set_catching_up(head.version() != 0);
  for (const auto& [partition, place] : PlacesOf(head)) {
    proto::StreamPosition& until = *intake.add_until();
    until.set_partition(partition);
    until.set_pass(std::get<0>(place));
    until.set_offset(std::get<1>(place));
  }
  // What was scored before says nothing of the new line.
  made.mutable_gate()->clear_pending();
  made.mutable_gate()->clear_pending_rows();
  made.mutable_gate()->clear_pending_bad_rows();
  made.clear_early_stopping();
  if (!options.calibration->replaces()) {
    return made;
  }
  *made.mutable_workers() = base.manifest.workers();
  for (proto::WorkerState& worker : *made.mutable_workers()) {
    worker.clear_window();
    for (proto::StreamPosition& position : *worker.mutable_positions()) {
      // The other job's files had an end, and its passes are its own.
      position.set_pass(0);
      position.set_finished(false);
    }
  }
  *made.mutable_metrics() = base.manifest.metrics();
  made.set_event_time_watermark_ms(base.manifest.event_time_watermark_ms());
  made.set_newest_arrival_ms(base.manifest.newest_arrival_ms());
  return made;
}

proto::BaseIntake CatchUp(const GateRules& gate,
                          const proto::Manifest& head,
                          const proto::Manifest& manifest) {
  proto::BaseIntake intake = head.base_intake();
  if (!intake.catching_up()) {
    return intake;
  }
  // A verdict that rejects holds serving back by itself.
  intake.set_judged(intake.judged() || !gate.enabled || IsVerdict(manifest.gate()));
  if (intake.judged() && HasReached(manifest, intake)) {
    intake.set_catching_up(false);
    intake.clear_until();
  }
  return intake;
}

}  // namespace freshet::coordinator
