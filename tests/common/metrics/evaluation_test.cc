#include "common/metrics/evaluation.h"

#include <catch2/catch.hpp>
#include <random>

namespace freshet {
namespace {

struct Scored {
  float prediction = 0.0F;
  float label = 0.0F;
};

// The definition of AUC, pair by pair, with predictions as coarse as the histogram's buckets.
double PairwiseAuc(const std::vector<Scored>& samples) {
  double ordered = 0.0;
  double pairs = 0.0;
  for (const Scored& positive : samples) {
    for (const Scored& negative : samples) {
      if (positive.label > negative.label) {
        pairs += 1.0;
        ordered += positive.prediction > negative.prediction    ? 1.0
                   : positive.prediction == negative.prediction ? 0.5
                                                                : 0.0;
      }
    }
  }
  return ordered / pairs;
}

std::vector<Scored> RandomSamples(uint64_t seed, int count) {
  std::mt19937_64 random(seed);
  std::vector<Scored> samples;
  for (int i = 0; i < count; ++i) {
    const float prediction = static_cast<float>(random() % 64) / 64.0F;
    const float label = static_cast<float>(random() % 64) / 64.0F < prediction ? 1.0F : 0.0F;
    samples.push_back(Scored{.prediction = prediction, .label = label});
  }
  return samples;
}

TEST_CASE("auc is the share of ordered pairs, ties counted half", "[metrics]") {
  const std::vector<Scored> samples = RandomSamples(1, 500);
  EvaluationSums sums;
  for (const Scored& sample : samples) {
    sums.Add(sample.prediction, 0.0F, sample.label, 1.0F);
  }
  CHECK(sums.Auc() == Approx(PairwiseAuc(samples)).epsilon(1e-12));
}

TEST_CASE("auc without both classes is a half", "[metrics]") {
  EvaluationSums sums;
  CHECK(sums.Auc() == 0.5);
  sums.Add(0.9F, 0.1F, 1.0F, 1.0F);
  CHECK(sums.Auc() == 0.5);
  sums.Add(0.1F, 0.1F, 0.0F, 1.0F);
  CHECK(sums.Auc() == 1.0);
}

TEST_CASE("means are weighted", "[metrics]") {
  EvaluationSums sums;
  CHECK(sums.MeanLogLoss() == 0.0);
  CHECK(sums.Calibration() == 0.0);
  sums.Add(0.5F, 0.25F, 1.0F, 3.0F);
  sums.Add(0.25F, 1.25F, 0.0F, 1.0F);
  CHECK(sums.samples() == 2);
  CHECK(sums.MeanLogLoss() == Approx((3.0 * 0.25 + 1.25) / 4.0));
  CHECK(sums.Calibration() == Approx((3.0 * 0.5 + 0.25) / 3.0));
}

TEST_CASE("predictions at the ends and beyond fall into a bucket", "[metrics]") {
  EvaluationSums sums;
  for (const float prediction : {0.0F, -1.0F, std::numeric_limits<float>::quiet_NaN()}) {
    sums.Add(prediction, 0.0F, 0.0F, 1.0F);
  }
  for (const float prediction : {1.0F, 2.0F, std::numeric_limits<float>::infinity()}) {
    sums.Add(prediction, 0.0F, 1.0F, 1.0F);
  }
  const proto::Evaluation stored = sums.ToProto();
  CHECK(stored.negatives(0) == 3);
  CHECK(stored.positives(kEvaluationBuckets - 1) == 3);
}

TEST_CASE("parts merge into the whole, also through the wire", "[metrics]") {
  EvaluationSums whole;
  EvaluationSums left;
  EvaluationSums right;
  for (const Scored& sample : RandomSamples(2, 300)) {
    (whole.samples() % 3 == 0 ? left : right).Add(sample.prediction, 0.5F, sample.label, 1.0F);
    whole.Add(sample.prediction, 0.5F, sample.label, 1.0F);
  }
  EvaluationSums merged(left.ToProto());
  merged.Merge(EvaluationSums(right.ToProto()));
  CHECK(merged.ToProto().SerializeAsString() == whole.ToProto().SerializeAsString());
  merged.Clear();
  CHECK(merged.ToProto().ByteSizeLong() == 0);
  CHECK(EvaluationSums(proto::Evaluation()).samples() == 0);
}

TEST_CASE("slices have no slices, and there are not more than a job can name", "[metrics]") {
  proto::Evaluation evaluation;
  evaluation.set_samples(1);
  for (size_t i = 0; i < kMaxSlices + 5; ++i) {
    proto::Evaluation& slice = *evaluation.add_slices();
    slice.set_samples(i + 1);
    slice.add_slices()->add_slices()->set_samples(7);
  }
  const EvaluationSums sums(evaluation);
  REQUIRE(sums.slices().size() == kMaxSlices);
  CHECK(sums.slices().back().samples() == kMaxSlices);
  CHECK(sums.slices().back().slices().empty());
}

}  // namespace
}  // namespace freshet
