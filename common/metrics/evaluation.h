#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "common/key.h"
#include "common/metrics/group_scores.h"
#include "proto/manifest.pb.h"

namespace freshet {

inline constexpr size_t kEvaluationBuckets = 4096;

// A sample's score before it was learned.
struct Score {
  float prediction = 0.0F;
  float log_loss = 0.0F;  // of the sample alone
  float label = 0.0F;
  float weight = 1.0F;
  uint32_t slices = 0;            // a bit for each slice that it belongs to
  bool held_out = false;          // counts in its slices alone
  std::optional<Key> group = {};  // for GAUC
};

inline constexpr size_t kMaxSlices = 32;

// Progressive validation: every sample is scored before it is learned. AUC comes from a histogram
// of predictions, so evaluations merge without error. Weights count as weights in the sums and as
// one sample in the histogram. Thread-safety: one thread.
class EvaluationSums {
 public:
  EvaluationSums();
  // Slices of slices are left out: a few bytes of each would take the memory of two histograms.
  explicit EvaluationSums(const proto::Evaluation& evaluation);

  // `log_loss` of the sample alone; the weight is applied here.
  void Add(float prediction, float log_loss, float label, float weight);
  // The same, with its slices; and its group, unless this is of a whole run, which would grow
  // without end.
  void Add(const Score& score, bool with_group);
  void Merge(const EvaluationSums& other);
  void Clear();
  proto::Evaluation ToProto() const;

  uint64_t samples() const { return samples_; }

  // Area under the ROC curve, ties within a bucket counted half; 0.5 without both classes.
  double Auc() const;
  // Weighted; 0 without a sample.
  double MeanLogLoss() const;
  // Predicted over observed; 0 without a positive.
  double Calibration() const;
  // Log loss over that of always predicting the mean label; 0 without both classes.
  double NormalizedEntropy() const;

  GroupScores::Gauc Gauc() const { return groups_.Compute(); }

  // May be fewer than the config names: the last ones have no sample then.
  const std::vector<EvaluationSums>& slices() const { return slices_; }

  // The sums of one slice; those of none if it has no sample yet.
  EvaluationSums Slice(size_t index) const {
    return index < slices_.size() ? slices_[index] : EvaluationSums();
  }

 private:
  struct WithoutSlices {};

  EvaluationSums(const proto::Evaluation& evaluation, WithoutSlices tag);

  uint64_t samples_ = 0;
  double weight_sum_ = 0.0;
  double log_loss_sum_ = 0.0;
  double prediction_sum_ = 0.0;
  double label_sum_ = 0.0;
  std::vector<uint32_t> positives_;
  std::vector<uint32_t> negatives_;
  std::vector<EvaluationSums> slices_;
  GroupScores groups_;
};

}  // namespace freshet
