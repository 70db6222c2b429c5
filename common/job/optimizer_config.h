#pragma once
#include <string>

#include "common/config/config_file.h"
#include "proto/model.pb.h"

namespace freshet {

// Reads a section {kind, the settings of that kind}; what is absent has its default. A setting that
// belongs to another kind is an error that says so.
proto::Optimizer ReadOptimizer(const ConfigSection& section, const std::string& default_kind);

}  // namespace freshet
