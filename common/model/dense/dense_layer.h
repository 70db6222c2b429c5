#pragma once
#include <cstdint>
#include <string>

#include "common/model/dense/layer.h"
#include "common/model/dense/variables.h"

namespace freshet {

// out = in W + b. Variables NAME/weights [inputs, outputs] and, with a bias, NAME/bias [outputs].
class DenseLayer final : public Layer {
 public:
  struct Shape {
    uint32_t inputs = 0;
    uint32_t outputs = 0;
    bool bias = true;
  };

  static void Declare(const std::string& name,
                      const Shape& shape,
                      const DenseSettings& settings,
                      proto::ModelSpec* spec);

  DenseLayer(const proto::ModelSpec& spec, const std::string& name, const Shape& shape);

  void Forward(const Pass& pass, const Matrix& in, Matrix* out) override;
  void Backward(const Pass& pass,
                const Matrix& in,
                const Matrix& out,
                const Matrix& out_gradient,
                Matrix* in_gradient,
                Gradients* gradients) override;

 private:
  WeightView Weights(const Pass& pass) const;

  const Shape shape_;
  const size_t weights_;
  const size_t bias_;  // if the shape has one
};

}  // namespace freshet
