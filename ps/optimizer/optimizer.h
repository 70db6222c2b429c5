#pragma once
#include <cstdint>
#include <memory>
#include <span>

#include "proto/model.pb.h"

namespace freshet::ps {

// One row and the gradient to apply to it.
struct RowUpdate {
  float* value;           // [dim]
  float* state;           // [state_dim]
  const float* gradient;  // [dim]
};

// How the rows of one variable learn. Exact formulas: docs/optimizers.md.
// Immutable after construction; the rows belong to the caller.
class Optimizer {
 public:
  virtual ~Optimizer() = default;

  // Floats of state that each row has.
  virtual uint32_t state_dim() const = 0;
  // Fills the state [state_dim] of a new row, whose value [dim] is there.
  virtual void InitState(const float* value, float* state) const = 0;
  // Applies the updates one after the other; the same row may come twice. `step`: of the stream,
  // from 1 (PushRequest.stream_step), for a learning rate that changes with it.
  virtual void Apply(std::span<const RowUpdate> updates, uint64_t step) const = 0;
};

// For rows of `dim` floats. The options have passed CheckModel (ps/model_check.h).
std::unique_ptr<Optimizer> MakeOptimizer(const proto::Optimizer& options, uint32_t dim);

}  // namespace freshet::ps
