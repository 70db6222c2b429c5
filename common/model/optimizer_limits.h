#pragma once

// The largest settings of optimizers that configs and servers take. Far beyond what learns; within
// them no step can make a value that is not finite.
namespace freshet {

inline constexpr float kMaxLearningRate = 1e6F;
// beta, l1, l2 and l21 of the ftrl kinds.
inline constexpr float kMaxFtrlStrength = 1e9F;
// Values are held within this in any case, and so are weight_min and weight_max.
inline constexpr float kMaxWeight = 0x1p60F;

}  // namespace freshet
