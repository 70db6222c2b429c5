#include "common/metrics/group_scores.h"

#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include "common/metrics/evaluation.h"

namespace freshet {
namespace {

// By counting pairs.
double SlowGauc(const std::map<Key, std::vector<std::pair<float, bool>>>& groups) {
  double sum = 0.0;
  double samples = 0.0;
  for (const auto& [group, scored] : groups) {
    double ordered = 0.0;
    double pairs = 0.0;
    for (const auto& [positive_score, positive] : scored) {
      for (const auto& [negative_score, other] : scored) {
        if (positive && !other) {
          pairs += 1.0;
          ordered += positive_score > negative_score    ? 1.0
                     : positive_score == negative_score ? 0.5
                                                        : 0.0;
        }
      }
    }
    if (pairs > 0.0) {
      sum += ordered / pairs * static_cast<double>(scored.size());
      samples += static_cast<double>(scored.size());
    }
  }
  return samples > 0.0 ? sum / samples : 0.5;
}

TEST_CASE("gauc is the mean over groups with both labels, however workers shared them",
          "[metrics]") {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    std::mt19937_64 random(seed);
    std::map<Key, std::vector<std::pair<float, bool>>> groups;
    std::vector<GroupScores> workers(3);
    for (int i = 0; i < 300; ++i) {
      const Key group = random() % 40;
      const float prediction = static_cast<float>(random() % 8) / 8.0F;
      const bool positive = random() % 3 == 0;
      groups[group].emplace_back(prediction, positive);
      workers[random() % 3].Add(group, prediction, positive);
    }
    GroupScores merged;
    for (const GroupScores& worker : workers) {
      proto::Evaluation sent;
      worker.StoreIn(&sent);
      merged.Merge(GroupScores(sent));
    }
    CHECK(merged.Compute().value() == Approx(SlowGauc(groups)));
  }
  CHECK(GroupScores().Compute().samples == 0);
  CHECK(GroupScores().Compute().value() == 0.5);
}

TEST_CASE("slices and groups of an evaluation travel and merge with it", "[metrics]") {
  EvaluationSums left;
  EvaluationSums right;
  left.Add({.prediction = 0.8F, .log_loss = 0.2F, .label = 1, .slices = 0b101, .group = 7}, true);
  left.Add({.prediction = 0.4F, .log_loss = 0.5F, .label = 0, .slices = 0b1, .group = {}}, true);
  right.Add({.prediction = 0.6F, .log_loss = 0.9F, .label = 0, .slices = 0b10, .group = 7}, true);
  EvaluationSums merged(left.ToProto());
  merged.Merge(EvaluationSums(right.ToProto()));
  CHECK(merged.samples() == 3);
  REQUIRE(merged.slices().size() == 3);
  CHECK(merged.slices()[0].samples() == 2);
  CHECK(merged.slices()[1].samples() == 1);
  CHECK(merged.slices()[2].samples() == 1);
  CHECK(merged.slices()[1].MeanLogLoss() == Approx(0.9));
  CHECK(merged.Gauc().samples == 2);
  CHECK(merged.Gauc().value() == 1.0);
  EvaluationSums total;
  total.Add({.prediction = 0.8F, .log_loss = 0.2F, .label = 1, .slices = 0, .group = 7}, false);
  CHECK(total.ToProto().group_keys().empty());
}

TEST_CASE("normalized entropy compares with always predicting the mean", "[metrics]") {
  EvaluationSums sums;
  CHECK(sums.NormalizedEntropy() == 0.0);
  const double rate = 0.25;
  for (int i = 0; i < 100; ++i) {
    const float label = i % 4 == 0 ? 1.0F : 0.0F;
    sums.Add(0.25F, static_cast<float>(-std::log(label > 0 ? rate : 1 - rate)), label, 1.0F);
  }
  CHECK(sums.NormalizedEntropy() == Approx(1.0));
}

}  // namespace
}  // namespace freshet
