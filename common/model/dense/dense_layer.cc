#include "common/model/dense/dense_layer.h"

namespace freshet {

void DenseLayer::Declare(const std::string& name,
                         const Shape& shape,
                         const DenseSettings& settings,
                         proto::ModelSpec* spec) {
  DeclareGlorot(name + "/weights", shape.inputs, shape.outputs, settings, spec);
  if (shape.bias) {
    DeclareZeros(name + "/bias", {shape.outputs}, settings, spec);
  }
}

DenseLayer::DenseLayer(const proto::ModelSpec& spec, const std::string& name, const Shape& shape)
    : shape_(shape),
      weights_(FindDense(spec, name + "/weights")),
      bias_(shape.bias ? FindDense(spec, name + "/bias") : 0) {}

WeightView DenseLayer::Weights(const Pass& pass) const {
  return {pass.parameters.dense[weights_], shape_.inputs, shape_.outputs};
}

void DenseLayer::Forward(const Pass& pass, const Matrix& in, Matrix* out) {
  Multiply(in, Weights(pass), pass.parameters.products, out);
  if (!shape_.bias) {
    return;
  }
  const std::span<const float> bias = pass.parameters.dense[bias_];
  for (size_t sample = 0; sample < out->rows(); ++sample) {
    float* row = out->Row(sample).data();
    for (size_t unit = 0; unit < bias.size(); ++unit) {
      row[unit] += bias[unit];
    }
  }
}

void DenseLayer::Backward(const Pass& pass,
                          const Matrix& in,
                          const Matrix& /*out*/,
                          const Matrix& out_gradient,
                          Matrix* in_gradient,
                          Gradients* gradients) {
  AddTransposedProduct(in, out_gradient, pass.parameters.products, gradients->dense[weights_]);
  if (shape_.bias) {
    float* bias = gradients->dense[bias_].data();
    for (size_t sample = 0; sample < out_gradient.rows(); ++sample) {
      const std::span<const float> row = out_gradient.Row(sample);
      for (size_t unit = 0; unit < row.size(); ++unit) {
        bias[unit] += row[unit];
      }
    }
  }
  MultiplyTransposed(out_gradient, Weights(pass), pass.parameters.products, in_gradient);
}

}  // namespace freshet
