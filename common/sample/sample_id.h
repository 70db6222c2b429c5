#pragma once
#include <cstdint>
#include <string_view>

#include "common/key.h"

namespace freshet {

// What tells a sample from every other of its stream: XXH3 of the partition's name, seeded with the
// offset at which the sample's record ends.
inline uint64_t SampleId(std::string_view partition, uint64_t end_offset) {
  return HashKey(end_offset, partition);
}

}  // namespace freshet
