#pragma once
#include "common/config/config_file.h"
#include "proto/model.pb.h"

namespace freshet {

// Reads a section {kind, warmup_steps, the settings of that kind} into optimizer->schedule(), which
// stays absent if the learning rate never changes. `learning_rate`: that of the optimizer.
void ReadSchedule(const ConfigSection& section, float learning_rate, proto::Optimizer* optimizer);

}  // namespace freshet
