#include "common/model/dense/mlp.h"

#include <utility>

#include "common/key.h"
#include "common/model/dense/activation.h"
#include "common/model/dense/dense_layer.h"
#include "common/model/dense/normalization.h"

namespace freshet {
namespace {

std::string LayerName(const std::string& name, int layer) {
  return name + "/" + std::to_string(layer);
}

}  // namespace

void Mlp::Declare(const std::string& name,
                  uint32_t inputs,
                  const proto::Mlp& settings,
                  const DenseSettings& dense,
                  proto::ModelSpec* spec) {
  for (int i = 0; i < settings.hidden_size(); ++i) {
    const std::string layer = LayerName(name, i);
    const uint32_t units = settings.hidden(i);
    DenseLayer::Declare(layer, {.inputs = inputs, .outputs = units}, dense, spec);
    if (settings.normalization() == proto::Mlp::BATCH) {
      BatchNorm::Declare(layer, units, dense, spec);
    } else if (settings.normalization() == proto::Mlp::LAYER) {
      LayerNorm::Declare(layer, units, dense, spec);
    }
    inputs = units;
  }
  DenseLayer::Declare(LayerName(name, settings.hidden_size()),
                      {.inputs = inputs, .outputs = 1, .bias = false},
                      dense,
                      spec);
}

Mlp::Mlp(const proto::ModelSpec& spec, const std::string& name, uint32_t inputs) {
  const proto::Mlp& settings = spec.mlp();
  for (int i = 0; i < settings.hidden_size(); ++i) {
    const std::string layer = LayerName(name, i);
    const uint32_t units = settings.hidden(i);
    layers_.push_back(std::make_unique<DenseLayer>(
        spec, layer, DenseLayer::Shape{.inputs = inputs, .outputs = units}));
    if (settings.normalization() == proto::Mlp::BATCH) {
      layers_.push_back(std::make_unique<BatchNorm>(spec, layer));
    } else if (settings.normalization() == proto::Mlp::LAYER) {
      layers_.push_back(std::make_unique<LayerNorm>(spec, layer));
    }
    layers_.push_back(std::make_unique<Relu>());
    if (settings.dropout() > 0.0F) {
      layers_.push_back(std::make_unique<Dropout>(settings.dropout(), SlotSeed(layer)));
    }
    inputs = units;
  }
  layers_.push_back(std::make_unique<DenseLayer>(
      spec,
      LayerName(name, settings.hidden_size()),
      DenseLayer::Shape{.inputs = inputs, .outputs = 1, .bias = false}));
  outputs_.resize(layers_.size());
  trains_otherwise_ = settings.hidden_size() > 0 &&
                      (settings.dropout() > 0.0F || settings.normalization() == proto::Mlp::BATCH);
}

const Matrix& Mlp::Forward(const Pass& pass, const Matrix& in) {
  const Matrix* last = &in;
  for (size_t i = 0; i < layers_.size(); ++i) {
    layers_[i]->Forward(pass, *last, &outputs_[i]);
    last = &outputs_[i];
  }
  return *last;
}

const Matrix& Mlp::Backward(const Pass& pass,
                            const Matrix& in,
                            const Matrix& out_gradient,
                            Gradients* gradients) {
  const Matrix* gradient = &out_gradient;
  for (size_t i = layers_.size(); i-- > 0;) {
    layers_[i]->Backward(
        pass, i == 0 ? in : outputs_[i - 1], outputs_[i], *gradient, &next_gradient_, gradients);
    std::swap(gradient_, next_gradient_);
    gradient = &gradient_;
  }
  return gradient_;
}

}  // namespace freshet
