#pragma once
#include <cstdint>

namespace freshet {

// How many samples of a batch had a key, and how many of those were clicks.
struct KeyCount {
  float shows = 1.0F;
  float clicks = 0.0F;

  friend bool operator==(const KeyCount&, const KeyCount&) = default;
};

// What the rules of a feature policy must remember of a row beside its frequency and last update
// (docs/features.md). Only variables whose policy needs it have it: 16 bytes a row.
struct FeatureLife {
  float shows = 0.0F;      // decayed to the start of score_day
  float clicks = 0.0F;     // likewise
  uint32_t last_step = 0;  // of the stream, of the last push; stops at 2^32 - 1
  uint16_t score_day = 0;  // event time in days since 1970
  uint16_t slot = 0;       // index into ModelSpec.slots

  friend bool operator==(const FeatureLife&, const FeatureLife&) = default;
};

static_assert(sizeof(FeatureLife) == 16);

}  // namespace freshet
