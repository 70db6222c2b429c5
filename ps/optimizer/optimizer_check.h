#pragma once
#include <string>

#include "common/status.h"
#include "proto/model.pb.h"

namespace freshet::ps {

// InvalidArgument, beginning with `where` and naming what would be right, if no row can learn so:
// settings out of range, or with which a step could give a value that is no number.
Status CheckOptimizer(const std::string& where, const proto::Optimizer& optimizer);

}  // namespace freshet::ps
