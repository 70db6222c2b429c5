#pragma once
#include "common/config/config_file.h"
#include "common/model/model.h"

namespace freshet {

// Reads from the section `model` what deep models have: hidden, normalization, dropout,
// cross_layers, cross_rank. Such a key in a model of another kind is an error.
void ReadDeepSettings(const ConfigSection& section, ModelSettings* model);

}  // namespace freshet
