#include "common/key.h"

// The functions themselves: short values are hashed in less time than a call to the library takes.
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace freshet {

uint64_t SlotSeed(std::string_view slot) {
  return XXH3_64bits(slot.data(), slot.size());
}

Key HashKey(uint64_t slot_seed, std::string_view value) {
  return XXH3_64bits_withSeed(value.data(), value.size(), slot_seed);
}

}  // namespace freshet
