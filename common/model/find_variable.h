#pragma once
#include <cstdint>
#include <string_view>

#include "common/status.h"
#include "proto/model.pb.h"

namespace freshet {

// The index of the embedding variable of this name. InvalidArgument: there is none; says which
// there are, and which one was probably meant.
StatusOr<uint32_t> FindEmbeddingVariable(const proto::ModelSpec& model, std::string_view name);

}  // namespace freshet
