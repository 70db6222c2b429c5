#pragma once
#include <cstdint>

// Bounds that two roles must agree on.
namespace freshet {

// Pushes of one worker to one server that may be unanswered at a time. A server remembers so many
// beyond the last one that it applied without a gap, and refuses those further ahead.
inline constexpr uint32_t kMaxPushesInFlight = 64;

// Keys of a pull, a push or an announcement. A batch of a million samples has fewer.
inline constexpr uint64_t kMaxKeysPerRequest = uint64_t{8} << 20U;

}  // namespace freshet
