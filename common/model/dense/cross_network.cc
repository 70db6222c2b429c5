#include "common/model/dense/cross_network.h"

#include <algorithm>
#include <functional>

namespace freshet {
namespace {

std::string LayerName(const std::string& name, uint32_t layer) {
  return name + "/" + std::to_string(layer);
}

void CopyTo(const Matrix& from, Matrix* to) {
  to->Resize(from.rows(), from.columns());
  std::copy(from.values().begin(), from.values().end(), to->values().begin());
}

void AddTo(const Matrix& summand, Matrix* sum) {
  std::transform(sum->values().begin(),
                 sum->values().end(),
                 summand.values().begin(),
                 sum->values().begin(),
                 std::plus<>());
}

// out = a * b, by element
void MultiplyElements(const Matrix& a, const Matrix& b, Matrix* out) {
  out->Resize(a.rows(), a.columns());
  std::transform(a.values().begin(),
                 a.values().end(),
                 b.values().begin(),
                 out->values().begin(),
                 std::multiplies<>());
}

}  // namespace

void CrossNetwork::Declare(const std::string& name,
                           const Shape& shape,
                           const DenseSettings& settings,
                           proto::ModelSpec* spec) {
  for (uint32_t i = 0; i < shape.layers; ++i) {
    const std::string layer = LayerName(name, i);
    if (shape.rank == 0) {
      DenseLayer::Declare(layer, {.inputs = shape.width, .outputs = shape.width}, settings, spec);
      continue;
    }
    DenseLayer::Declare(layer + "/down",
                        {.inputs = shape.width, .outputs = shape.rank, .bias = false},
                        settings,
                        spec);
    DenseLayer::Declare(
        layer + "/up", {.inputs = shape.rank, .outputs = shape.width}, settings, spec);
  }
}

CrossNetwork::CrossNetwork(const proto::ModelSpec& spec,
                           const std::string& name,
                           const Shape& shape)
    : layers_(shape.layers) {
  for (uint32_t i = 0; i < shape.layers; ++i) {
    const std::string layer = LayerName(name, i);
    std::vector<DenseLayer>& products = layers_[i].products;
    if (shape.rank == 0) {
      products.push_back(
          {spec, layer, {.inputs = shape.width, .outputs = shape.width, .bias = true}});
      continue;
    }
    products.push_back(
        {spec, layer + "/down", {.inputs = shape.width, .outputs = shape.rank, .bias = false}});
    products.push_back(
        {spec, layer + "/up", {.inputs = shape.rank, .outputs = shape.width, .bias = true}});
  }
}

const Matrix& CrossNetwork::Forward(const Pass& pass, const Matrix& in) {
  for (size_t i = 0; i < layers_.size(); ++i) {
    CrossLayer& layer = layers_[i];
    const Matrix& x = InputOf(i, in);
    if (layer.products.size() == 1) {
      layer.products[0].Forward(pass, x, &layer.product);
    } else {
      layer.products[0].Forward(pass, x, &layer.narrow);
      layer.products[1].Forward(pass, layer.narrow, &layer.product);
    }
    MultiplyElements(in, layer.product, &layer.out);
    AddTo(x, &layer.out);
  }
  return InputOf(layers_.size(), in);
}

// With g the gradient of x_{l+1}: x_0 gets g * (W x + b), and x_l gets g + W^T (g * x_0).
const Matrix& CrossNetwork::Backward(const Pass& pass,
                                     const Matrix& in,
                                     const Matrix& out_gradient,
                                     Gradients* gradients) {
  CopyTo(out_gradient, &gradient_);
  total_.Resize(in.rows(), in.columns());
  std::fill(total_.values().begin(), total_.values().end(), 0.0F);
  for (size_t i = layers_.size(); i-- > 0;) {
    CrossLayer& layer = layers_[i];
    MultiplyElements(gradient_, layer.product, &through_);
    AddTo(through_, &total_);
    MultiplyElements(gradient_, in, &product_gradient_);
    if (layer.products.size() == 1) {
      layer.products[0].Backward(
          pass, InputOf(i, in), layer.product, product_gradient_, &through_, gradients);
    } else {
      layer.products[1].Backward(
          pass, layer.narrow, layer.product, product_gradient_, &narrow_gradient_, gradients);
      layer.products[0].Backward(
          pass, InputOf(i, in), layer.narrow, narrow_gradient_, &through_, gradients);
    }
    AddTo(through_, &gradient_);
  }
  AddTo(gradient_, &total_);
  return total_;
}

}  // namespace freshet
