#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "common/key.h"
#include "proto/model.pb.h"

namespace freshet::ps {

// The value of a row before its first push: a function of (seed, key, column) and nothing else, so
// that a row is the same wherever and whenever it is made. Formulas: docs/optimizers.md.
// Immutable after construction.
class RowInitializer {
 public:
  // Columns that no initializer takes are zero.
  template <typename Initializers>
  RowInitializer(const Initializers& initializers, uint64_t seed, uint32_t dim)
      : initializers_(initializers.begin(), initializers.end()), seed_(seed), dim_(dim) {}

  // value [dim].
  void Fill(Key key, std::span<float> value) const;

 private:
  const std::vector<proto::Initializer> initializers_;
  const uint64_t seed_;
  const uint32_t dim_;
};

}  // namespace freshet::ps
