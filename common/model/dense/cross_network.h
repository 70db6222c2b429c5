#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "common/model/dense/dense_layer.h"

namespace freshet {

// Cross layers of DCN-v2 (Wang et al., WWW 2021): x_{l+1} = x_0 * (W_l x_l + b_l) + x_l, `*` by
// element. With a rank r below the width, W_l = V_l U_l with r in the middle. Variables NAME/l/...
class CrossNetwork {
 public:
  struct Shape {
    uint32_t width = 0;
    uint32_t layers = 0;
    uint32_t rank = 0;  // 0: full
  };

  static void Declare(const std::string& name,
                      const Shape& shape,
                      const DenseSettings& settings,
                      proto::ModelSpec* spec);

  CrossNetwork(const proto::ModelSpec& spec, const std::string& name, const Shape& shape);

  // [samples, width], valid until the next call.
  const Matrix& Forward(const Pass& pass, const Matrix& in);
  // From d(loss)/d(output) to d(loss)/d(in). Follows Forward.
  const Matrix& Backward(const Pass& pass,
                         const Matrix& in,
                         const Matrix& out_gradient,
                         Gradients* gradients);

 private:
  struct CrossLayer {
    std::vector<DenseLayer> products;  // one, or down to the rank and up again
    Matrix narrow;                     // after the first of two
    Matrix product;                    // W x + b
    Matrix out;
  };

  const Matrix& InputOf(size_t layer, const Matrix& in) const {
    return layer == 0 ? in : layers_[layer - 1].out;
  }

  std::vector<CrossLayer> layers_;
  Matrix gradient_;          // of the layer's output, then of its input
  Matrix product_gradient_;  // of W x + b
  Matrix narrow_gradient_;
  Matrix through_;  // what comes back through W
  Matrix total_;    // d(loss)/d(in)
};

}  // namespace freshet
