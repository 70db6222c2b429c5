#include "common/metrics/evaluation.h"

#include <algorithm>
#include <cmath>
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
    : EvaluationSums(evaluation, WithoutSlices()) {
  for (const proto::Evaluation& slice : evaluation.slices()) {
    if (slices_.size() == kMaxSlices) {
      break;
    }
    slices_.push_back(EvaluationSums(slice, WithoutSlices()));
  }
}

EvaluationSums::EvaluationSums(const proto::Evaluation& evaluation, WithoutSlices /*tag*/)
    : samples_(evaluation.samples()),
      weight_sum_(evaluation.weight_sum()),
      log_loss_sum_(evaluation.log_loss_sum()),
      prediction_sum_(evaluation.prediction_sum()),
      label_sum_(evaluation.label_sum()),
      positives_(Counts(evaluation.positives())),
      negatives_(Counts(evaluation.negatives())),
      groups_(evaluation) {}

void EvaluationSums::Add(float prediction, float log_loss, float label, float weight) {
  ++samples_;
  weight_sum_ += double{weight};
  log_loss_sum_ += double{weight} * double{log_loss};
  prediction_sum_ += double{weight} * double{prediction};
  label_sum_ += double{weight} * double{label};
  AddTo((label > 0.5F ? positives_ : negatives_)[BucketOf(prediction)], 1);
}

void EvaluationSums::Add(const Score& score, bool with_group) {
  if (!score.held_out) {
    Add(score.prediction, score.log_loss, score.label, score.weight);
  }
  for (uint32_t slice = 0; slice < kMaxSlices && score.slices >> slice != 0; ++slice) {
    if ((score.slices >> slice & 1U) != 0) {
      if (slices_.size() <= slice) {
        slices_.resize(slice + 1);
      }
      slices_[slice].Add(score.prediction, score.log_loss, score.label, score.weight);
    }
  }
  if (with_group && score.group) {
    groups_.Add(*score.group, score.prediction, score.label > 0.5F);
  }
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
  if (slices_.size() < other.slices_.size()) {
    slices_.resize(other.slices_.size());
  }
  for (size_t slice = 0; slice < other.slices_.size(); ++slice) {
    slices_[slice].Merge(other.slices_[slice]);
  }
  groups_.Merge(other.groups_);
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
  for (const EvaluationSums& slice : slices_) {
    *evaluation.add_slices() = slice.ToProto();
  }
  groups_.StoreIn(&evaluation);
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

double EvaluationSums::NormalizedEntropy() const {
  const double rate = weight_sum_ > 0.0 ? label_sum_ / weight_sum_ : 0.0;
  if (rate <= 0.0 || rate >= 1.0) {
    return 0.0;
  }
  const double entropy = -rate * std::log(rate) - (1.0 - rate) * std::log(1.0 - rate);
  return MeanLogLoss() / entropy;
}

double EvaluationSums::Calibration() const {
  return label_sum_ > 0.0 ? prediction_sum_ / label_sum_ : 0.0;
}

}  // namespace freshet
