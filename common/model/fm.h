#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "common/model/kind.h"
#include "common/model/model.h"

// Factorization machine (Rendle, ICDM 2010): logit = bias + sum of w_i x_i
// + sum over pairs i < j of <v_i, v_j> x_i x_j, the pairs computed as
// 1/2 sum over factors f of ((sum v_if x_i)^2 - sum (v_if x_i)^2).
//
// A row of the embedding variable is the linear weight and then the k factors.
namespace freshet {

inline constexpr size_t kFmLinear = 0;
inline constexpr size_t kFmFactors = 1;

constexpr uint32_t FmDim(uint32_t factors) {
  return 1 + factors;
}

std::unique_ptr<Model> MakeFmModel(uint32_t factors);

extern const ModelKind kFmKind;

// The sum of some features of a sample, for instance of its context slots. For two sides c and i of
// one sample its logit is
//   dense bias + c.Bias() + i.Bias() + <c.vector(), i.vector()>
// which is what makes recall by inner product exact. One thread at a time.
class FmSide {
 public:
  explicit FmSide(uint32_t factors) : sum_(factors), squares_(factors) {}

  void Clear();
  // `row` [1 + factors].
  void Add(std::span<const float> row, float value = 1.0F);

  // Linear terms, and pairs within the side.
  float Bias() const;

  // [factors]
  std::span<const float> vector() const { return sum_; }

 private:
  float linear_ = 0.0F;
  std::vector<float> sum_;
  std::vector<float> squares_;
};

}  // namespace freshet
