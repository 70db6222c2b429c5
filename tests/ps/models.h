#pragma once
#include <string>

#include "proto/model.pb.h"

namespace freshet::ps::test {

inline proto::Optimizer SgdOf(float learning_rate) {
  proto::Optimizer optimizer;
  optimizer.mutable_sgd()->set_learning_rate(learning_rate);
  return optimizer;
}

inline proto::Optimizer AdagradOf(float learning_rate) {
  proto::Optimizer optimizer;
  optimizer.mutable_adagrad()->set_learning_rate(learning_rate);
  optimizer.mutable_adagrad()->set_initial_accumulator(0.1F);
  optimizer.mutable_adagrad()->set_epsilon(1e-7F);
  return optimizer;
}

inline proto::Optimizer FtrlOf(float learning_rate, float l1, float l2) {
  proto::Optimizer optimizer;
  optimizer.mutable_ftrl()->set_learning_rate(learning_rate);
  optimizer.mutable_ftrl()->set_beta(1.0F);
  optimizer.mutable_ftrl()->set_l1(l1);
  optimizer.mutable_ftrl()->set_l2(l2);
  return optimizer;
}

inline proto::Optimizer AdamOf(float learning_rate) {
  proto::Optimizer optimizer;
  optimizer.mutable_adam()->set_learning_rate(learning_rate);
  optimizer.mutable_adam()->set_beta1(0.9F);
  optimizer.mutable_adam()->set_beta2(0.999F);
  optimizer.mutable_adam()->set_epsilon(1e-8F);
  return optimizer;
}

inline proto::Optimizer LedgerOf() {
  proto::Optimizer optimizer;
  optimizer.mutable_ledger();
  return optimizer;
}

inline proto::Initializer InitializerOf(proto::Initializer::Kind kind,
                                        float scale,
                                        uint32_t columns = 0) {
  proto::Initializer initializer;
  initializer.set_kind(kind);
  initializer.set_scale(scale);
  initializer.set_columns(columns);
  return initializer;
}

inline proto::EmbeddingVariable EmbeddingOf(const std::string& name,
                                            uint32_t dim,
                                            const proto::Optimizer& optimizer) {
  proto::EmbeddingVariable variable;
  variable.set_name(name);
  variable.set_dim(dim);
  variable.set_seed(17);
  *variable.mutable_optimizer() = optimizer;
  if (!optimizer.has_ledger()) {
    *variable.add_initializers() = InitializerOf(proto::Initializer::UNIFORM, 0.1F);
  }
  return variable;
}

inline proto::DenseVariable DenseOf(const std::string& name,
                                    uint32_t elements,
                                    const proto::Optimizer& optimizer) {
  proto::DenseVariable variable;
  variable.set_name(name);
  variable.add_shape(elements);
  variable.set_seed(23);
  *variable.mutable_initializer() = InitializerOf(proto::Initializer::NORMAL, 0.5F);
  *variable.mutable_optimizer() = optimizer;
  return variable;
}

// Two embedding variables, one of them a ledger, and two dense ones.
inline proto::ModelSpec SmallModel() {
  proto::ModelSpec model;
  *model.add_embedding_variables() = EmbeddingOf("weights", 3, AdagradOf(0.1F));
  *model.add_embedding_variables() = EmbeddingOf("ledger", 4, LedgerOf());
  *model.add_dense_variables() = DenseOf("bias", 1, SgdOf(0.1F));
  *model.add_dense_variables() = DenseOf("layer", 5, AdamOf(0.01F));
  return model;
}

}  // namespace freshet::ps::test
