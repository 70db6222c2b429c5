#pragma once
#include <cstdint>
#include <span>

// The two 16-bit floating-point types that values may be stored as, and float32: F16 is IEEE
// binary16, BF16 the upper half of a float32. A 16-bit value widens to a float exactly.
//
// Every function gives the same bits on every machine, and one value at a time the same as a batch.
// Spans of one call have equal sizes and do not overlap. Thread-safety: any thread.
namespace freshet {

// To the nearest value, ties to even; beyond the largest, infinity. A NaN stays one, quiet in F16.
uint16_t ToF16(float value);
uint16_t ToBf16(float value);
void ToF16(std::span<const float> values, std::span<uint16_t> halves);
void ToBf16(std::span<const float> values, std::span<uint16_t> halves);

// Widens. A signaling NaN of F16 becomes quiet, and nothing else changes.
float FromF16(uint16_t half);
float FromBf16(uint16_t half);
void FromF16(std::span<const uint16_t> halves, std::span<float> values);
void FromBf16(std::span<const uint16_t> halves, std::span<float> values);

// Stochastic rounding: to one of the two neighbours of `value`, away from zero in proportion to how
// far it is from the one nearer to zero; so sums of many small changes keep their mean, where the
// nearest value would swallow each of them. `random` are 16 uniform bits; the same bits give the
// same answer. A value that is exact stays. A finite value beyond the largest becomes the largest:
// no row is lost to an infinity by chance.
uint16_t ToF16Stochastic(float value, uint16_t random);
uint16_t ToBf16Stochastic(float value, uint16_t random);
void ToF16Stochastic(std::span<const float> values,
                     std::span<const uint16_t> random,
                     std::span<uint16_t> halves);
void ToBf16Stochastic(std::span<const float> values,
                      std::span<const uint16_t> random,
                      std::span<uint16_t> halves);

}  // namespace freshet
