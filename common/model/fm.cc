#include "common/model/fm.h"

#include <algorithm>

#include "common/check.h"

namespace freshet {
namespace {

// sum += v x, squares += (v x)^2, by factor. No reduction, so compilers vectorise it as it stands.
inline void AddFactors(const float* __restrict factors,
                       float value,
                       size_t count,
                       float* __restrict sum,
                       float* __restrict squares) {
  for (size_t f = 0; f < count; ++f) {
    const float scaled = factors[f] * value;
    sum[f] += scaled;
    squares[f] += scaled * scaled;
  }
}

inline float PairTerm(const float* sum, const float* squares, size_t count) {
  float pairs = 0.0F;
  for (size_t f = 0; f < count; ++f) {
    pairs += sum[f] * sum[f] - squares[f];
  }
  return 0.5F * pairs;
}

class FmModel final : public Model {
 public:
  explicit FmModel(uint32_t factors) : factors_(factors), squares_(factors) {}

  void Forward(const Batch& batch, const Parameters& parameters, std::span<float> logits) override {
    const SparseInput& input = batch.inputs[0];
    const float* table = parameters.embeddings[0].data();
    const size_t dim = kFmFactors + factors_;
    FRESHET_DCHECK(logits.size() == batch.size());
    FRESHET_DCHECK(parameters.embeddings[0].size() == input.keys.size() * dim);
    sums_.assign(batch.size() * factors_, 0.0F);
    for (size_t sample = 0; sample < batch.size(); ++sample) {
      float* sum = sums_.data() + sample * factors_;
      std::fill(squares_.begin(), squares_.end(), 0.0F);
      float linear = parameters.dense[0][0];
      for (uint32_t e = input.sample_begin[sample]; e < input.sample_begin[sample + 1]; ++e) {
        const float* row = table + input.rows[e] * dim;
        linear += row[kFmLinear] * input.values[e];
        AddFactors(row + kFmFactors, input.values[e], factors_, sum, squares_.data());
      }
      logits[sample] = linear + PairTerm(sum, squares_.data(), factors_);
    }
  }

  // d logit / d v_if = x_i (sum_f - v_if x_i)
  void Backward(const Batch& batch,
                const Parameters& parameters,
                std::span<const float> logit_gradients,
                Gradients* gradients) override {
    const SparseInput& input = batch.inputs[0];
    const float* table = parameters.embeddings[0].data();
    float* table_gradients = gradients->embeddings[0].data();
    const size_t dim = kFmFactors + factors_;
    FRESHET_DCHECK(sums_.size() == batch.size() * factors_);
    float bias = 0.0F;
    for (size_t sample = 0; sample < batch.size(); ++sample) {
      const float* sum = sums_.data() + sample * factors_;
      bias += logit_gradients[sample];
      for (uint32_t e = input.sample_begin[sample]; e < input.sample_begin[sample + 1]; ++e) {
        const size_t begin = input.rows[e] * dim;
        const float scaled = logit_gradients[sample] * input.values[e];
        table_gradients[begin + kFmLinear] += scaled;
        AddGradient(table + begin + kFmFactors,
                    sum,
                    scaled,
                    input.values[e],
                    table_gradients + begin + kFmFactors);
      }
    }
    gradients->dense[0][0] += bias;
  }

 private:
  void AddGradient(const float* __restrict row,
                   const float* __restrict sum,
                   float scaled,
                   float value,
                   float* __restrict gradient) const {
    for (size_t f = 0; f < factors_; ++f) {
      gradient[f] += scaled * (sum[f] - row[f] * value);
    }
  }

  const size_t factors_;
  std::vector<float> sums_;     // [samples * factors], of the last Forward
  std::vector<float> squares_;  // [factors], of one sample
};

}  // namespace

std::unique_ptr<Model> MakeFmModel(uint32_t factors) {
  return std::make_unique<FmModel>(factors);
}

const ModelKind kFmKind = {
    .name = "fm",
    .has_factors = true,
    .declare =
        [](const ModelSettings& settings, proto::ModelSpec* spec) {
          DeclareFactors(kFmFactors, settings, spec);
          DeclareBias(settings, spec);
        },
    .make = [](const proto::ModelSpec& spec) { return MakeFmModel(spec.factors()); },
};

void FmSide::Clear() {
  linear_ = 0.0F;
  std::fill(sum_.begin(), sum_.end(), 0.0F);
  std::fill(squares_.begin(), squares_.end(), 0.0F);
}

void FmSide::Add(std::span<const float> row, float value) {
  FRESHET_DCHECK(row.size() == kFmFactors + sum_.size());
  linear_ += row[kFmLinear] * value;
  AddFactors(row.data() + kFmFactors, value, sum_.size(), sum_.data(), squares_.data());
}

float FmSide::Bias() const {
  return linear_ + PairTerm(sum_.data(), squares_.data(), sum_.size());
}

}  // namespace freshet
