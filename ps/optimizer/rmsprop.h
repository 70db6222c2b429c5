#pragma once
#include <memory>

#include "ps/optimizer/optimizer.h"

namespace freshet::ps {

std::unique_ptr<Optimizer> MakeRmsProp(const proto::Optimizer& options, uint32_t dim);

}  // namespace freshet::ps
