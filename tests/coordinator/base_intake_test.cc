#include "coordinator/base_intake.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "common/job/job_config.h"

namespace freshet::coordinator {
namespace {

struct At {
  std::string partition;
  uint64_t offset = 0;
};

proto::Manifest ManifestAt(uint64_t version, const std::vector<At>& places) {
  proto::Manifest manifest;
  manifest.set_version(version);
  proto::WorkerState& worker = *manifest.add_workers();
  for (const At& place : places) {
    proto::StreamPosition& position = *worker.add_positions();
    position.set_partition(place.partition);
    position.set_offset(place.offset);
    position.set_finished(true);
    position.set_pass(2);
  }
  return manifest;
}

Options OptionsWith(double base_weight) {
  Options options;
  options.model.set_kind("fm");
  options.calibration = CalibrationRules{.log_dir = "daily", .base_weight = base_weight};
  return options;
}

FoundBase BaseAt(const std::vector<At>& places) {
  FoundBase base{.log_dir = "daily", .manifest = ManifestAt(7, places)};
  base.manifest.set_created_unix_ms(1234);
  base.manifest.set_event_time_watermark_ms(99);
  return base;
}

void AddHeldOut(double log_loss, proto::Manifest* manifest) {
  proto::SliceMetrics& slice = *manifest->mutable_metrics()->add_slices();
  slice.set_name(kHeldOut);
  slice.set_samples(10);
  slice.set_total_samples(10);
  slice.set_log_loss(log_loss);
}

}  // namespace

TEST_CASE("a base that replaces the model brings its positions, as those of a running stream",
          "[intake]") {
  proto::Manifest online = ManifestAt(50, {{"a", 100}, {"b", 200}});
  online.mutable_gate()->set_passed_version(49);
  online.mutable_gate()->set_pending_rows(5);
  online.add_skips()->set_text("kept");
  const proto::Manifest head = HeadOf(OptionsWith(1.0), BaseAt({{"a", 60}}), online);
  CHECK(head.version() == 50);
  REQUIRE(head.workers(0).positions_size() == 1);
  CHECK(head.workers(0).positions(0).offset() == 60);
  CHECK_FALSE(head.workers(0).positions(0).finished());
  CHECK(head.workers(0).positions(0).pass() == 0);
  CHECK(head.event_time_watermark_ms() == 99);
  CHECK(head.gate().passed_version() == 49);
  CHECK(head.gate().pending_rows() == 0);
  CHECK(head.skips_size() == 1);
  CHECK(head.base_intake().catching_up());
  CHECK(head.base_intake().online_version() == 50);
  CHECK(head.base_intake().until_size() == 2);
  CHECK(IsSameBase(head.base_intake(), IntakeOf(BaseAt({}))));
}

TEST_CASE("serving stays at what it had, also where that was not the newest version", "[intake]") {
  const Options options = OptionsWith(1.0);
  proto::Manifest online = ManifestAt(50, {});
  online.mutable_gate()->set_verdict(proto::GateState::REJECTED);
  online.mutable_gate()->set_passed_version(44);
  proto::Manifest first = HeadOf(options, BaseAt({}), online);
  CHECK(first.base_intake().online_version() == 44);
  // A second base, while the line of the first one still catches up.
  first.set_version(60);
  first.mutable_gate()->set_verdict(proto::GateState::PASSED);
  CHECK(HeadOf(options, BaseAt({}), first).base_intake().online_version() == 44);
}

TEST_CASE("a base that is blended in leaves the streams where they are", "[intake]") {
  const proto::Manifest head =
      HeadOf(OptionsWith(0.5), BaseAt({{"a", 60}}), ManifestAt(50, {{"a", 100}}));
  CHECK(head.workers(0).positions(0).offset() == 100);
  CHECK(head.workers(0).positions(0).finished());
}

TEST_CASE("an empty log has nothing that serving could stay with", "[intake]") {
  const proto::Manifest head = HeadOf(OptionsWith(1.0), BaseAt({{"a", 60}}), proto::Manifest());
  CHECK_FALSE(head.base_intake().catching_up());
}

TEST_CASE("a line has caught up when every stream is where it was, and the gate has spoken",
          "[intake]") {
  GateRules gate;
  gate.enabled = GENERATE(false, true);
  proto::Manifest head =
      HeadOf(OptionsWith(1.0), BaseAt({{"a", 60}}), ManifestAt(50, {{"a", 100}, {"b", 200}}));
  for (proto::StreamPosition& until : *head.mutable_base_intake()->mutable_until()) {
    until.set_pass(0);
  }
  const auto after = [&](const std::vector<At>& places, proto::GateState::Verdict verdict) {
    proto::Manifest manifest = ManifestAt(51, places);
    for (auto& position : *manifest.mutable_workers(0)->mutable_positions()) {
      position.set_pass(0);
    }
    manifest.mutable_gate()->set_verdict(verdict);
    if (verdict == proto::GateState::NONE) {
      manifest.mutable_gate()->mutable_pending()->set_samples(1);
    }
    *manifest.mutable_base_intake() = CatchUp(gate, head, manifest);
    return manifest;
  };
  const auto none = proto::GateState::NONE;
  const auto passed = proto::GateState::PASSED;
  CHECK(after({{"a", 99}, {"b", 200}}, passed).base_intake().catching_up());
  CHECK(after({{"a", 100}}, passed).base_intake().catching_up());
  CHECK_FALSE(after({{"a", 100}, {"b", 201}, {"c", 0}}, passed).base_intake().catching_up());
  CHECK(after({{"a", 100}, {"b", 200}}, none).base_intake().catching_up() == gate.enabled);
  // Once judged it stays judged, though there is no verdict for each version.
  head = after({{"a", 70}}, passed);
  CHECK_FALSE(after({{"a", 100}, {"b", 200}}, none).base_intake().catching_up());
}

TEST_CASE("a base of another model, or with worse held-out scores, is told why", "[intake]") {
  Options options = OptionsWith(1.0);
  FoundBase base = BaseAt({});
  proto::Manifest head = ManifestAt(50, {});
  CHECK_THAT(MessageOf(CheckBase(options, base, head)), Catch::Contains("another model"));
  base.manifest.set_config_xxh3(ModelHash(options.model));
  CHECK(CheckBase(options, base, head).ok());
  options.calibration->max_log_loss_rise = 0.01;
  CHECK_THAT(MessageOf(CheckBase(options, base, head)), Catch::Contains("no scores"));
  AddHeldOut(0.52, &base.manifest);
  CHECK(absl::IsUnavailable(CheckBase(options, base, head)));
  AddHeldOut(0.50, &head);
  CHECK_THAT(MessageOf(CheckBase(options, base, head)), Catch::Contains("0.52000"));
  options.calibration->max_log_loss_rise = 0.03;
  CHECK(CheckBase(options, base, head).ok());
  CHECK(CheckBase(options, base, proto::Manifest()).ok());
}

}  // namespace freshet::coordinator
