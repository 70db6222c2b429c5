#include "coordinator/early_stopping.h"

#include <catch2/catch.hpp>

namespace freshet::coordinator {
namespace {

constexpr size_t kHeldOutAt = 1;

// Versions in a row, each with some held-out scores, assessed after the one before.
class Line {
 public:
  explicit Line(const EarlyStoppingSettings& rules) : rules_(rules) {}

  proto::EarlyStopping Add(int samples, float log_loss) {
    EvaluationSums sums;
    for (int i = 0; i < samples; ++i) {
      sums.Add({.prediction = 0.5F,
                .log_loss = log_loss,
                .label = static_cast<float>(i % 2),
                .weight = 1.0F,
                .slices = 1U << kHeldOutAt,
                .held_out = true},
               false);
      sums.Add(0.5F, 7.0F, 1.0F, 1.0F);  // of the stream: does not count
    }
    proto::Manifest manifest;
    manifest.set_version(++version_);
    *manifest.add_workers()->mutable_window() = sums.ToProto();
    *manifest.mutable_early_stopping() = Assess(rules_, kHeldOutAt, head_, manifest);
    head_ = manifest;
    return manifest.early_stopping();
  }

  // As CommitRollback leaves it.
  void Stop() { head_.mutable_early_stopping()->set_stopped(true); }

 private:
  EarlyStoppingSettings rules_;
  proto::Manifest head_;
  uint64_t version_ = 0;
};

TEST_CASE("early stopping: scores wait until there are enough", "[coordinator]") {
  Line line({.samples = 100, .patience = 2});
  proto::EarlyStopping state = line.Add(60, 0.6F);
  CHECK(state.best_version() == 0);
  CHECK(state.pending().samples() == 60);
  state = line.Add(60, 0.3F);
  CHECK(state.best_version() == 2);
  CHECK(state.best_log_loss() == Approx(0.45));
  CHECK(!state.has_pending());
}

TEST_CASE("early stopping: over after so many without an improvement", "[coordinator]") {
  const EarlyStoppingSettings rules{.samples = 100, .patience = 2, .min_improvement = 0.01};
  Line line(rules);
  CHECK(!IsOver(rules, line.Add(100, 0.60F), true));
  CHECK(line.Add(100, 0.50F).best_version() == 2);
  proto::EarlyStopping state = line.Add(100, 0.495F);  // too little
  CHECK(state.best_version() == 2);
  CHECK(state.without_improvement() == 1);
  CHECK(!IsOver(rules, state, false));
  CHECK(IsOver(rules, state, true));
  state = line.Add(100, 0.48F);
  CHECK(state.best_version() == 4);
  CHECK(!IsOver(rules, state, true));
  line.Add(100, 0.70F);
  line.Add(50, 0.70F);
  state = line.Add(50, 0.70F);
  CHECK(state.without_improvement() == 2);
  CHECK(state.best_version() == 4);
  CHECK(IsOver(rules, state, false));

  line.Stop();
  state = line.Add(500, 0.1F);
  CHECK(state.best_version() == 4);
  CHECK(state.stopped());
  CHECK(!IsOver(rules, state, true));
}

}  // namespace
}  // namespace freshet::coordinator
