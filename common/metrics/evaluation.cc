#include "common/metrics/evaluation.h"

#include <algorithm>
#include <limits>

namespace freshet {
namespace {

size_t BucketOf(float prediction) {
  if (!(prediction > 0.0F)) {  // also NaN
    return 0;
  }
  const auto bucket = static_cast<size_t>(std::min(prediction, 1.0F) * kEvaluationBuckets);
  return std::min(bucket, kEvaluationBuckets - 1);
}

// Stays at the largest count rather than to start again at 0.
void AddTo(uint32_t& count, uint32_t more) {
  count += std::min(more, std::numeric_limits<uint32_t>::max() - count);
}

// A histogram without a sample is stored empty.
std::vector<uint32_t> Counts(const google::protobuf::RepeatedField<uint32_t>& stored) {
  std::vector<uint32_t> counts(kEvaluationBuckets, 0);
  for (int i = 0; i < stored.size(); ++i) {
    AddTo(counts[std::min(static_cast<size_t>(i), kEvaluationBuckets - 1)], stored[i]);
  }
  return counts;
}

}  // namespace

EvaluationSums::EvaluationSums()
    : positives_(kEvaluationBuckets, 0), negatives_(kEvaluationBuckets, 0) {}

EvaluationSums::EvaluationSums(const proto::Evaluation& evaluation)
    : samples_(evaluation.samples()),
      weight_sum_(evaluation.weight_sum()),
      log_loss_sum_(evaluation.log_loss_sum()),
      prediction_sum_(evaluation.prediction_sum()),
      label_sum_(evaluation.label_sum()),
      positives_(Counts(evaluation.positives())),
      negatives_(Counts(evaluation.negatives())) {}

void EvaluationSums::Add(float prediction, float log_loss, float label, float weight) {
  ++samples_;
  weight_sum_ += double{weight};
  log_loss_sum_ += double{weight} * double{log_loss};
  prediction_sum_ += double{weight} * double{prediction};
  label_sum_ += double{weight} * double{label};
  AddTo((label > 0.5F ? positives_ : negatives_)[BucketOf(prediction)], 1);
}

void EvaluationSums::Merge(const EvaluationSums& other) {
  samples_ += other.samples_;
  weight_sum_ += other.weight_sum_;
  log_loss_sum_ += other.log_loss_sum_;
  prediction_sum_ += other.prediction_sum_;
  label_sum_ += other.label_sum_;
  for (size_t bucket = 0; bucket < kEvaluationBuckets; ++bucket) {
    AddTo(positives_[bucket], other.positives_[bucket]);
    AddTo(negatives_[bucket], other.negatives_[bucket]);
  }
}

void EvaluationSums::Clear() {
  *this = EvaluationSums();
}

proto::Evaluation EvaluationSums::ToProto() const {
  proto::Evaluation evaluation;
  if (samples_ == 0) {
    return evaluation;
  }
  evaluation.set_samples(samples_);
  evaluation.set_weight_sum(weight_sum_);
  evaluation.set_log_loss_sum(log_loss_sum_);
  evaluation.set_prediction_sum(prediction_sum_);
  evaluation.set_label_sum(label_sum_);
  evaluation.mutable_positives()->Add(positives_.begin(), positives_.end());
  evaluation.mutable_negatives()->Add(negatives_.begin(), negatives_.end());
  return evaluation;
}

// The share of (positive, negative) pairs that are in the right order.
double EvaluationSums::Auc() const {
  double negatives_below = 0.0;
  double positives = 0.0;
  double ordered_pairs = 0.0;
  for (size_t bucket = 0; bucket < kEvaluationBuckets; ++bucket) {
    const double here = negatives_[bucket];
    ordered_pairs += positives_[bucket] * (negatives_below + here / 2.0);
    negatives_below += here;
    positives += positives_[bucket];
  }
  const double pairs = positives * negatives_below;
  return pairs > 0.0 ? ordered_pairs / pairs : 0.5;
}

double EvaluationSums::MeanLogLoss() const {
  return weight_sum_ > 0.0 ? log_loss_sum_ / weight_sum_ : 0.0;
}

double EvaluationSums::Calibration() const {
  return label_sum_ > 0.0 ? prediction_sum_ / label_sum_ : 0.0;
}

}  // namespace freshet
