#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "common/model/dense/layer.h"
#include "common/model/dense/variables.h"

// out = scale * (in - mean) / sqrt(variance + 1e-5) + shift, with the variables NAME/scale and
// NAME/shift [units].
namespace freshet {

// Mean and variance (biased) of each unit over the batch in training; in scoring the running ones
// (Ioffe and Szegedy, ICML 2015). These are variables too, NAME/mean and NAME/variance [units],
// that the servers keep as all others: what is pushed as their gradient is how far they are from
// the batch's, and plain sgd takes a hundredth of it away.
class BatchNorm final : public Layer {
 public:
  static void Declare(const std::string& name,
                      uint32_t units,
                      const DenseSettings& settings,
                      proto::ModelSpec* spec);

  BatchNorm(const proto::ModelSpec& spec, const std::string& name);

  void Forward(const Pass& pass, const Matrix& in, Matrix* out) override;
  void Backward(const Pass& pass,
                const Matrix& in,
                const Matrix& out,
                const Matrix& out_gradient,
                Matrix* in_gradient,
                Gradients* gradients) override;

 private:
  void TakeStatistics(const Matrix& in);

  const size_t scale_;
  const size_t shift_;
  const size_t running_mean_;
  const size_t running_variance_;
  // Of the last batch in training, [units].
  std::vector<float> mean_;
  std::vector<float> variance_;
};

// Mean and variance of each sample over its units (Ba, Kiros, Hinton 2016): the same in training
// and in scoring.
class LayerNorm final : public Layer {
 public:
  static void Declare(const std::string& name,
                      uint32_t units,
                      const DenseSettings& settings,
                      proto::ModelSpec* spec);

  LayerNorm(const proto::ModelSpec& spec, const std::string& name);

  void Forward(const Pass& pass, const Matrix& in, Matrix* out) override;
  void Backward(const Pass& pass,
                const Matrix& in,
                const Matrix& out,
                const Matrix& out_gradient,
                Matrix* in_gradient,
                Gradients* gradients) override;

 private:
  const size_t scale_;
  const size_t shift_;
};

}  // namespace freshet
