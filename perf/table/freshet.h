#pragma once
#include <cstdint>

#include "proto/model.pb.h"
#include "ps/embedding_table.h"

namespace freshet::perf {

// Variables whose rows begin and learn as contestant.h says.
proto::EmbeddingVariable AdagradVariable(uint32_t dim);
proto::EmbeddingVariable SgdVariable(uint32_t dim);

}  // namespace freshet::perf
