#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/model/dense/layer.h"
#include "common/model/dense/variables.h"

namespace freshet {

// A multilayer perceptron: for each hidden layer dense, normalization, relu, dropout, as `settings`
// have them; and a dense layer to one output, without bias. Variables NAME/i/..., i from 0.
class Mlp {
 public:
  static void Declare(const std::string& name,
                      uint32_t inputs,
                      const proto::Mlp& settings,
                      const DenseSettings& dense,
                      proto::ModelSpec* spec);

  // The settings are those of the model.
  Mlp(const proto::ModelSpec& spec, const std::string& name, uint32_t inputs);

  // [samples, 1], valid until the next call.
  const Matrix& Forward(const Pass& pass, const Matrix& in);
  // From d(loss)/d(output) [samples, 1] to d(loss)/d(in). Follows Forward in training.
  const Matrix& Backward(const Pass& pass,
                         const Matrix& in,
                         const Matrix& out_gradient,
                         Gradients* gradients);

  // Whether training computes something else than scoring.
  bool trains_otherwise() const { return trains_otherwise_; }

 private:
  std::vector<std::unique_ptr<Layer>> layers_;
  std::vector<Matrix> outputs_;  // one per layer
  Matrix gradient_;
  Matrix next_gradient_;
  bool trains_otherwise_ = false;
};

}  // namespace freshet
