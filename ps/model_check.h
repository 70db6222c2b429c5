#pragma once
#include <cstdint>

#include "common/status.h"
#include "proto/model.pb.h"

namespace freshet::ps {

// Floats of one embedding row, and elements of one dense variable, at most.
inline constexpr uint32_t kMaxDim = 1U << 16U;
inline constexpr uint64_t kMaxDenseElements = 1U << 26U;

// InvalidArgument, naming the variable and what would be right, if a server cannot hold the model.
Status CheckModel(const proto::ModelSpec& model);

// FailedPrecondition, telling what differs, unless the two are the same.
Status CheckSameModel(const proto::ModelSpec& declared, const proto::ModelSpec& other);

// The product of the shape; 1 for a scalar. The variable has passed CheckModel.
uint32_t ElementsOf(const proto::DenseVariable& variable);

}  // namespace freshet::ps
