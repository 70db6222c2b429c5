#pragma once
#include <cstdint>

// Bounds that two roles must agree on.
namespace freshet {

// Pushes of one worker to one server that may be unanswered at a time. A server remembers so many
// beyond the last one that it applied without a gap, and refuses those further ahead.
inline constexpr uint32_t kMaxPushesInFlight = 64;

}  // namespace freshet
