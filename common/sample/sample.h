#pragma once
#include <cstdint>
#include <vector>

#include "common/key.h"

namespace freshet {

struct Feature {
  Key key = 0;
  float value = 1.0F;
  uint16_t slot = 0;  // index into ModelSpec.slots
};

// One line of a stream, parsed and hashed. Reused from line to line.
struct Sample {
  float label = 0.0F;  // 0 or 1
  float weight = 1.0F;
  int64_t event_time_ms = 0;  // Unix time; 0: the stream has none
  std::vector<Feature> features;
};

}  // namespace freshet
