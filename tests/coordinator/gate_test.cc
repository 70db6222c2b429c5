#include "coordinator/gate.h"

#include <catch2/catch.hpp>

#include "common/metrics/evaluation.h"

namespace freshet::coordinator {
namespace {

// A version whose window has `samples` scores: the better they are, the higher `quality` (0 to 1).
proto::Manifest Version(uint64_t version, uint64_t samples, double quality) {
  EvaluationSums sums;
  for (uint64_t i = 0; i < samples; ++i) {
    const float label = i % 2 == 0 ? 1.0F : 0.0F;
    const bool right = static_cast<double>(i % 100) < quality * 100;
    const float prediction = (label > 0.5F) == right ? 0.8F : 0.2F;
    sums.Add(prediction, right ? 0.22F : 1.6F, label, 1.0F);
  }
  proto::Manifest manifest;
  manifest.set_version(version);
  *manifest.add_workers()->mutable_window() = sums.ToProto();
  return manifest;
}

// The versions in a row, each judged after the one before.
class Line {
 public:
  explicit Line(const GateRules& rules) : rules_(rules) { rules_.enabled = true; }

  proto::GateState Add(uint64_t samples, double quality, uint64_t rows = 0, uint64_t bad_rows = 0) {
    proto::Manifest manifest = Version(++version_, samples, quality);
    manifest.add_parts()->set_rows(rows);
    manifest.mutable_parts(0)->set_bad_rows(bad_rows);
    *manifest.mutable_gate() = Judge(rules_, 0, head_, manifest);
    head_ = manifest;
    return manifest.gate();
  }

 private:
  GateRules rules_;
  proto::Manifest head_;
  uint64_t version_ = 0;
};

constexpr auto kPassed = proto::GateState::PASSED;
constexpr auto kRejected = proto::GateState::REJECTED;

TEST_CASE("gate: without rules there is no verdict", "[coordinator]") {
  const proto::GateState gate = Judge({}, 0, {}, Version(1, 5000, 0.0));
  CHECK(gate.verdict() == proto::GateState::NONE);
  CHECK(!IsVerdict(gate));
}

TEST_CASE("gate: too few samples wait for more, with the verdict of before", "[coordinator]") {
  Line line({.min_samples = 1000, .min_auc = 0.6});
  proto::GateState gate = line.Add(400, 0.0);
  CHECK(gate.verdict() == proto::GateState::NONE);
  CHECK(gate.pending().samples() == 400);
  CHECK(!IsVerdict(gate));
  gate = line.Add(700, 1.0);  // 300 and 500 of each class are right: AUC is above 0.6
  CHECK(gate.verdict() == kPassed);
  CHECK(IsVerdict(gate));
  CHECK(gate.passed_version() == 2);
  gate = line.Add(1000, 0.1);
  CHECK(gate.verdict() == kRejected);
  CHECK(gate.failures_in_row() == 1);
  REQUIRE(gate.reasons_size() == 1);
  CHECK(gate.reasons(0).find("AUC is 0.") == 0);
  CHECK(gate.passed_version() == 2);
  gate = line.Add(10, 1.0);
  CHECK(gate.verdict() == kRejected);
  CHECK(!IsVerdict(gate));
  gate = line.Add(1000, 0.1);
  CHECK(gate.failures_in_row() == 2);
  gate = line.Add(2000, 1.0);
  CHECK(gate.verdict() == kPassed);
  CHECK(gate.failures_in_row() == 0);
  CHECK(gate.reasons().empty());
}

TEST_CASE("gate: a fall against the last version that passed", "[coordinator]") {
  Line line({.min_samples = 100, .max_auc_drop = 0.1, .max_log_loss_rise = 0.2});
  CHECK(line.Add(1000, 0.9).verdict() == kPassed);
  CHECK(line.Add(1000, 0.85).verdict() == kPassed);
  const proto::GateState gate = line.Add(1000, 0.6);
  CHECK(gate.verdict() == kRejected);
  CHECK(gate.reasons_size() == 2);
  CHECK(gate.passed_version() == 2);
}

TEST_CASE("gate: with held_out only the held-out samples count", "[coordinator]") {
  const GateRules rules{.enabled = true, .held_out = true, .min_samples = 100, .max_log_loss = 0.5};
  EvaluationSums sums;
  const auto add = [&sums](float log_loss, bool held_out, int times) {
    for (int i = 0; i < times; ++i) {
      sums.Add({.prediction = 0.5F,
                .log_loss = log_loss,
                .label = static_cast<float>(i % 2),
                .weight = 1.0F,
                .slices = held_out ? 2U : 1U,
                .held_out = held_out},
               false);
    }
  };
  const auto judge = [&] {
    proto::Manifest manifest;
    manifest.set_version(1);
    *manifest.add_workers()->mutable_window() = sums.ToProto();
    return Judge(rules, 1, {}, manifest);
  };
  add(0.9F, false, 1000);
  CHECK(judge().verdict() == proto::GateState::NONE);
  CHECK(judge().has_pending());
  add(0.4F, true, 100);
  CHECK(judge().verdict() == kPassed);
  CHECK(judge().passed_log_loss() == Approx(0.4));
  add(0.8F, true, 100);
  CHECK(judge().verdict() == kRejected);
}

TEST_CASE("gate: calibration, log loss and rows", "[coordinator]") {
  GateRules rules{.min_samples = 100};
  SECTION("calibration below") {
    rules.min_calibration = 1.05;
    CHECK(Line(rules).Add(1000, 1.0).verdict() == kRejected);
  }
  SECTION("calibration above") {
    rules.max_calibration = 0.95;
    CHECK(Line(rules).Add(1000, 1.0).verdict() == kRejected);
  }
  SECTION("calibration in range") {
    rules.min_calibration = 0.95;
    rules.max_calibration = 1.05;
    CHECK(Line(rules).Add(1000, 1.0).verdict() == kPassed);
  }
  SECTION("log loss") {
    rules.max_log_loss = 0.3;
    Line line(rules);
    CHECK(line.Add(1000, 1.0).verdict() == kPassed);
    CHECK(line.Add(1000, 0.5).verdict() == kRejected);
  }
  SECTION("bad rows, also of versions that were not judged") {
    rules.max_bad_rows = 0.01;
    Line line(rules);
    CHECK(line.Add(1000, 1.0, 1000, 10).verdict() == kPassed);
    CHECK(line.Add(10, 1.0, 100, 50).verdict() == kPassed);
    const proto::GateState gate = line.Add(1000, 1.0, 1000, 0);
    CHECK(gate.verdict() == kRejected);
    CHECK(gate.reasons(0).find("share of bad rows is 0.04") == 0);
    CHECK(line.Add(1000, 1.0, 1000, 0).verdict() == kPassed);
  }
}

}  // namespace
}  // namespace freshet::coordinator
