#pragma once
#include <cstdint>

// The largest deep models that configs and programs take.
namespace freshet {

inline constexpr uint32_t kMaxLayers = 32;    // hidden ones, and cross layers
inline constexpr uint32_t kMaxUnits = 16384;  // of a layer, and of the pooled input
inline constexpr float kMaxDropout = 0.9F;

}  // namespace freshet
