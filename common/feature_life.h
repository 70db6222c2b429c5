#pragma once
#include <cstdint>

namespace freshet {

// In how many samples of a batch a key was, and how many of them were clicks (label above 0).
// Samples are counted, their weights play no part: these are whole numbers.
struct KeyCount {
  // So that sums stay exact, and so that what comes from outside can be told from nonsense.
  static constexpr float kMost = 16777216.0F;  // 2^24

  float shows = 1.0F;
  float clicks = 0.0F;

  // Whole numbers with clicks <= shows, and at least one show. False for a NaN.
  bool IsValid() const {
    return shows >= 1.0F && shows <= kMost && clicks >= 0.0F && clicks <= shows &&
           shows == static_cast<float>(static_cast<uint32_t>(shows)) &&
           clicks == static_cast<float>(static_cast<uint32_t>(clicks));
  }

  friend bool operator==(const KeyCount&, const KeyCount&) = default;
};

// What the rules of a feature policy must remember of a row beside its frequency and last update
// (docs/features.md). Only variables whose policy needs it have it: 16 bytes a row.
struct FeatureLife {
  float shows = 0.0F;      // decayed to score_day
  float clicks = 0.0F;     // likewise
  uint32_t last_step = 0;  // of the stream, of the last push; stops at 2^32 - 1
  uint16_t score_day = 0;  // the last day with a push: event time in days since 1970
  uint16_t slot = 0;       // index into ModelSpec.slots

  friend bool operator==(const FeatureLife&, const FeatureLife&) = default;
};

static_assert(sizeof(FeatureLife) == 16);

}  // namespace freshet
