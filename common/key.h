#pragma once
#include <cstdint>
#include <string_view>

namespace freshet {

// A feature: the mixed hash of its slot and its raw value. All 64-bit values are valid keys.
using Key = uint64_t;

// The seed of a slot's keys: XXH3_64bits(name).
uint64_t SlotSeed(std::string_view slot);

// XXH3_64bits_withSeed(value, slot_seed). Persisted in every version: it can never change.
Key HashKey(uint64_t slot_seed, std::string_view value);

// A bijective mix of 64 bits (Steele, Lea, Flood: SplitMix64, OOPSLA 2014, with its increment).
constexpr uint64_t SplitMix64(uint64_t x) {
  x += 0x9e3779b97f4a7c15U;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}

// UnmixSplitMix64(SplitMix64(x)) == x. A shift by s is undone by shifts by s, 2s, ..; a factor by
// its inverse modulo 2^64.
constexpr uint64_t UnmixSplitMix64(uint64_t x) {
  x ^= (x >> 31) ^ (x >> 62);
  x *= 0x319642b2d24d8ec3U;
  x ^= (x >> 27) ^ (x >> 54);
  x *= 0x96de1b173f119089U;
  x ^= (x >> 30) ^ (x >> 60);
  return x - 0x9e3779b97f4a7c15U;
}

}  // namespace freshet
