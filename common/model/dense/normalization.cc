#include "common/model/dense/normalization.h"

#include <algorithm>
#include <cmath>

namespace freshet {
namespace {

constexpr float kEpsilon = 1e-5F;
// Of what running statistics are off, a step takes away this part.
constexpr float kRate = 0.01F;

float InverseDeviation(float variance) {
  return 1.0F / std::sqrt(variance + kEpsilon);
}

void DeclareAffine(const std::string& name,
                   uint32_t units,
                   const DenseSettings& settings,
                   proto::ModelSpec* spec) {
  DeclareOnes(name + "/scale", {units}, settings, spec);
  DeclareZeros(name + "/shift", {units}, settings, spec);
}

struct Moments {
  float mean = 0.0F;
  float variance = 0.0F;
};

Moments MomentsOf(std::span<const float> values) {
  const auto count = static_cast<float>(values.size());
  Moments of;
  for (const float value : values) {
    of.mean += value;
  }
  of.mean /= count;
  for (const float value : values) {
    of.variance += (value - of.mean) * (value - of.mean);
  }
  of.variance /= count;
  return of;
}

}  // namespace

void BatchNorm::Declare(const std::string& name,
                        uint32_t units,
                        const DenseSettings& settings,
                        proto::ModelSpec* spec) {
  DeclareAffine(name, units, settings, spec);
  DenseSettings statistics{.seed = settings.seed, .optimizer = {}};
  statistics.optimizer.mutable_sgd()->set_learning_rate(kRate);
  DeclareZeros(name + "/mean", {units}, statistics, spec);
  DeclareOnes(name + "/variance", {units}, statistics, spec);
}

BatchNorm::BatchNorm(const proto::ModelSpec& spec, const std::string& name)
    : scale_(FindDense(spec, name + "/scale")),
      shift_(FindDense(spec, name + "/shift")),
      running_mean_(FindDense(spec, name + "/mean")),
      running_variance_(FindDense(spec, name + "/variance")) {}

void BatchNorm::TakeStatistics(const Matrix& in) {
  const auto samples = static_cast<float>(in.rows());
  mean_.assign(in.columns(), 0.0F);
  variance_.assign(in.columns(), 0.0F);
  for (size_t sample = 0; sample < in.rows(); ++sample) {
    const std::span<const float> row = in.Row(sample);
    for (size_t unit = 0; unit < row.size(); ++unit) {
      mean_[unit] += row[unit] / samples;
    }
  }
  for (size_t sample = 0; sample < in.rows(); ++sample) {
    const std::span<const float> row = in.Row(sample);
    for (size_t unit = 0; unit < row.size(); ++unit) {
      variance_[unit] += (row[unit] - mean_[unit]) * (row[unit] - mean_[unit]) / samples;
    }
  }
}

void BatchNorm::Forward(const Pass& pass, const Matrix& in, Matrix* out) {
  if (pass.training) {
    TakeStatistics(in);
  }
  const auto& dense = pass.parameters.dense;
  const std::span<const float> mean = pass.training ? mean_ : dense[running_mean_];
  const std::span<const float> variance = pass.training ? variance_ : dense[running_variance_];
  // One factor and one summand for each unit.
  std::vector<float> factor(in.columns());
  std::vector<float> summand(in.columns());
  for (size_t unit = 0; unit < in.columns(); ++unit) {
    factor[unit] = dense[scale_][unit] * InverseDeviation(std::max(variance[unit], 0.0F));
    summand[unit] = dense[shift_][unit] - mean[unit] * factor[unit];
  }
  out->Resize(in.rows(), in.columns());
  for (size_t sample = 0; sample < in.rows(); ++sample) {
    const std::span<const float> from = in.Row(sample);
    const std::span<float> to = out->Row(sample);
    for (size_t unit = 0; unit < from.size(); ++unit) {
      to[unit] = from[unit] * factor[unit] + summand[unit];
    }
  }
}

// With x the normalized input and g the gradient of the output times the scale:
// d in = (g - mean(g) - x mean(g x)) / deviation, means over the batch.
void BatchNorm::Backward(const Pass& pass,
                         const Matrix& in,
                         const Matrix& /*out*/,
                         const Matrix& out_gradient,
                         Matrix* in_gradient,
                         Gradients* gradients) {
  const size_t units = in.columns();
  const auto samples = static_cast<float>(in.rows());
  const auto& dense = pass.parameters.dense;
  std::vector<float> inverse(units);
  for (size_t unit = 0; unit < units; ++unit) {
    inverse[unit] = InverseDeviation(variance_[unit]);
  }
  std::vector<float> sum(units, 0.0F);      // of the gradients of the output
  std::vector<float> product(units, 0.0F);  // of those times x
  for (size_t sample = 0; sample < in.rows(); ++sample) {
    const std::span<const float> row = in.Row(sample);
    const std::span<const float> gradient = out_gradient.Row(sample);
    for (size_t unit = 0; unit < units; ++unit) {
      sum[unit] += gradient[unit];
      product[unit] += gradient[unit] * (row[unit] - mean_[unit]) * inverse[unit];
    }
  }
  in_gradient->Resize(in.rows(), units);
  for (size_t sample = 0; sample < in.rows(); ++sample) {
    const std::span<const float> row = in.Row(sample);
    const std::span<const float> gradient = out_gradient.Row(sample);
    const std::span<float> to = in_gradient->Row(sample);
    for (size_t unit = 0; unit < units; ++unit) {
      const float x = (row[unit] - mean_[unit]) * inverse[unit];
      to[unit] = dense[scale_][unit] * inverse[unit] *
                 (gradient[unit] - sum[unit] / samples - x * product[unit] / samples);
    }
  }
  for (size_t unit = 0; unit < units; ++unit) {
    gradients->dense[scale_][unit] += product[unit];
    gradients->dense[shift_][unit] += sum[unit];
    // Dense gradients are divided by the samples before they are pushed.
    gradients->dense[running_mean_][unit] += samples * (dense[running_mean_][unit] - mean_[unit]);
    gradients->dense[running_variance_][unit] +=
        samples * (dense[running_variance_][unit] - variance_[unit]);
  }
}

void LayerNorm::Declare(const std::string& name,
                        uint32_t units,
                        const DenseSettings& settings,
                        proto::ModelSpec* spec) {
  DeclareAffine(name, units, settings, spec);
}

LayerNorm::LayerNorm(const proto::ModelSpec& spec, const std::string& name)
    : scale_(FindDense(spec, name + "/scale")), shift_(FindDense(spec, name + "/shift")) {}

void LayerNorm::Forward(const Pass& pass, const Matrix& in, Matrix* out) {
  const std::span<const float> scale = pass.parameters.dense[scale_];
  const std::span<const float> shift = pass.parameters.dense[shift_];
  out->Resize(in.rows(), in.columns());
  for (size_t sample = 0; sample < in.rows(); ++sample) {
    const std::span<const float> from = in.Row(sample);
    const std::span<float> to = out->Row(sample);
    const Moments of = MomentsOf(from);
    const float inverse = InverseDeviation(of.variance);
    for (size_t unit = 0; unit < from.size(); ++unit) {
      to[unit] = (from[unit] - of.mean) * inverse * scale[unit] + shift[unit];
    }
  }
}

// As BatchNorm's, with means over the units.
void LayerNorm::Backward(const Pass& pass,
                         const Matrix& in,
                         const Matrix& /*out*/,
                         const Matrix& out_gradient,
                         Matrix* in_gradient,
                         Gradients* gradients) {
  const std::span<const float> scale = pass.parameters.dense[scale_];
  const std::span<float> scale_gradient = gradients->dense[scale_];
  const std::span<float> shift_gradient = gradients->dense[shift_];
  const auto units = static_cast<float>(in.columns());
  in_gradient->Resize(in.rows(), in.columns());
  for (size_t sample = 0; sample < in.rows(); ++sample) {
    const std::span<const float> row = in.Row(sample);
    const std::span<const float> gradient = out_gradient.Row(sample);
    const std::span<float> to = in_gradient->Row(sample);
    const Moments of = MomentsOf(row);
    const float inverse = InverseDeviation(of.variance);
    float sum = 0.0F;
    float product = 0.0F;
    for (size_t unit = 0; unit < row.size(); ++unit) {
      const float x = (row[unit] - of.mean) * inverse;
      const float scaled = gradient[unit] * scale[unit];
      sum += scaled;
      product += scaled * x;
      scale_gradient[unit] += gradient[unit] * x;
      shift_gradient[unit] += gradient[unit];
    }
    for (size_t unit = 0; unit < row.size(); ++unit) {
      const float x = (row[unit] - of.mean) * inverse;
      to[unit] = inverse * (gradient[unit] * scale[unit] - sum / units - x * product / units);
    }
  }
}

}  // namespace freshet
