#pragma once
#include <cstdint>
#include <vector>

#include "proto/manifest.pb.h"

namespace freshet {

inline constexpr size_t kEvaluationBuckets = 4096;

// Progressive validation: every sample is scored before it is learned. AUC comes from a histogram
// of predictions, so evaluations merge without error. Weights count as weights in the sums and as
// one sample in the histogram. Thread-safety: one thread.
class EvaluationSums {
 public:
  EvaluationSums();
  explicit EvaluationSums(const proto::Evaluation& evaluation);

  // `log_loss` of the sample alone; the weight is applied here.
  void Add(float prediction, float log_loss, float label, float weight);
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

 private:
  uint64_t samples_ = 0;
  double weight_sum_ = 0.0;
  double log_loss_sum_ = 0.0;
  double prediction_sum_ = 0.0;
  double label_sum_ = 0.0;
  std::vector<uint32_t> positives_;
  std::vector<uint32_t> negatives_;
};

}  // namespace freshet
