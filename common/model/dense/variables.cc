#include "common/model/dense/variables.h"

#include <cmath>

#include "common/check.h"
#include "common/key.h"

namespace freshet {
namespace {

proto::DenseVariable* Declare(const std::string& name,
                              std::initializer_list<uint32_t> shape,
                              const DenseSettings& settings,
                              proto::Initializer::Kind kind,
                              float scale,
                              proto::ModelSpec* spec) {
  proto::DenseVariable* variable = spec->add_dense_variables();
  variable->set_name(name);
  variable->mutable_shape()->Assign(shape.begin(), shape.end());
  variable->mutable_initializer()->set_kind(kind);
  variable->mutable_initializer()->set_scale(scale);
  variable->set_seed(settings.seed);
  *variable->mutable_optimizer() = settings.optimizer;
  return variable;
}

}  // namespace

void DeclareZeros(const std::string& name,
                  std::initializer_list<uint32_t> shape,
                  const DenseSettings& settings,
                  proto::ModelSpec* spec) {
  Declare(name, shape, settings, proto::Initializer::ZEROS, 0.0F, spec);
}

void DeclareOnes(const std::string& name,
                 std::initializer_list<uint32_t> shape,
                 const DenseSettings& settings,
                 proto::ModelSpec* spec) {
  Declare(name, shape, settings, proto::Initializer::CONSTANT, 1.0F, spec);
}

void DeclareGlorot(const std::string& name,
                   uint32_t inputs,
                   uint32_t outputs,
                   const DenseSettings& settings,
                   proto::ModelSpec* spec) {
  const auto fans = static_cast<float>(inputs) + static_cast<float>(outputs);
  // Variables of one model must not begin alike.
  Declare(
      name, {inputs, outputs}, settings, proto::Initializer::UNIFORM, std::sqrt(6.0F / fans), spec)
      ->set_seed(HashKey(settings.seed, name));
}

size_t FindDense(const proto::ModelSpec& spec, const std::string& name) {
  for (int i = 0; i < spec.dense_variables_size(); ++i) {
    if (spec.dense_variables(i).name() == name) {
      return static_cast<size_t>(i);
    }
  }
  FRESHET_UNREACHABLE();
}

}  // namespace freshet
