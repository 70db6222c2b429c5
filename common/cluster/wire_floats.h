#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "proto/model.pb.h"

// How the floats of pulls and pushes are written on the wire: those of embedding rows in the
// message's value type, then, at a multiple of four bytes, those of dense variables as float32.
namespace freshet {

uint64_t WireFloatBytes(uint64_t row_floats, uint64_t dense_floats, proto::ValueType type);

// To the nearest value.
void EncodeFloats(std::span<const float> row_floats,
                  std::span<const float> dense_floats,
                  proto::ValueType type,
                  std::byte* to);
// Rounded by chance in proportion, so that sums of many keep their mean: for gradients. The chance
// follows from `seed`, so that what is sent again is the same.
void EncodeFloatsByChance(std::span<const float> row_floats,
                          std::span<const float> dense_floats,
                          proto::ValueType type,
                          uint64_t seed,
                          std::byte* to);

// `from`: WireFloatBytes of them, aligned to 4.
void DecodeFloats(const std::byte* from,
                  proto::ValueType type,
                  std::span<float> row_floats,
                  std::span<float> dense_floats);

}  // namespace freshet
