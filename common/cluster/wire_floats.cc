#include "common/cluster/wire_floats.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "common/half.h"
#include "common/key.h"

namespace freshet {
namespace {

constexpr uint64_t kDenseAlignment = 4;
constexpr size_t kAtOnce = 1024;  // floats

uint64_t RowBytes(uint64_t row_floats, proto::ValueType type) {
  if (type == proto::F32) {
    return row_floats * sizeof(float);
  }
  const uint64_t bytes = row_floats * sizeof(uint16_t);
  return (bytes + kDenseAlignment - 1) / kDenseAlignment * kDenseAlignment;
}

void CopyFloats(std::span<const float> floats, std::byte* to) {
  if (!floats.empty()) {
    std::memcpy(to, floats.data(), floats.size_bytes());
  }
}

// `convert` gets some floats, their first index and as many halves. The bytes of padding are zero.
template <typename Convert>
void EncodeHalves(std::span<const float> floats, std::byte* to, const Convert& convert) {
  auto* halves = reinterpret_cast<uint16_t*>(to);
  if (floats.size() % 2 == 1) {
    halves[floats.size()] = 0;
  }
  for (size_t begin = 0; begin < floats.size(); begin += kAtOnce) {
    const size_t count = std::min(kAtOnce, floats.size() - begin);
    convert(floats.subspan(begin, count), begin, std::span(halves + begin, count));
  }
}

}  // namespace

uint64_t WireFloatBytes(uint64_t row_floats, uint64_t dense_floats, proto::ValueType type) {
  return RowBytes(row_floats, type) + dense_floats * sizeof(float);
}

void EncodeFloats(std::span<const float> row_floats,
                  std::span<const float> dense_floats,
                  proto::ValueType type,
                  std::byte* to) {
  CopyFloats(dense_floats, to + RowBytes(row_floats.size(), type));
  if (type == proto::F32) {
    CopyFloats(row_floats, to);
    return;
  }
  EncodeHalves(row_floats, to, [type](auto floats, size_t /*begin*/, auto halves) {
    type == proto::F16 ? ToF16(floats, halves) : ToBf16(floats, halves);
  });
}

void EncodeFloatsByChance(std::span<const float> row_floats,
                          std::span<const float> dense_floats,
                          proto::ValueType type,
                          uint64_t seed,
                          std::byte* to) {
  if (type == proto::F32) {
    EncodeFloats(row_floats, dense_floats, type, to);
    return;
  }
  CopyFloats(dense_floats, to + RowBytes(row_floats.size(), type));
  EncodeHalves(row_floats, to, [=](auto floats, size_t begin, auto halves) {
    std::array<uint16_t, kAtOnce> random;
    constexpr size_t kPerDraw = sizeof(uint64_t) / sizeof(uint16_t);
    for (size_t i = 0; i < floats.size(); i += kPerDraw) {
      const uint64_t draw = SplitMix64(seed + begin + i);
      std::memcpy(&random[i], &draw, sizeof(draw));
    }
    const std::span<const uint16_t> bits(random.data(), floats.size());
    type == proto::F16 ? ToF16Stochastic(floats, bits, halves)
                       : ToBf16Stochastic(floats, bits, halves);
  });
}

void DecodeFloats(const std::byte* from,
                  proto::ValueType type,
                  std::span<float> row_floats,
                  std::span<float> dense_floats) {
  if (!dense_floats.empty()) {
    std::memcpy(
        dense_floats.data(), from + RowBytes(row_floats.size(), type), dense_floats.size_bytes());
  }
  if (row_floats.empty()) {
    return;
  }
  if (type == proto::F32) {
    std::memcpy(row_floats.data(), from, row_floats.size_bytes());
    return;
  }
  const std::span halves(reinterpret_cast<const uint16_t*>(from), row_floats.size());
  type == proto::F16 ? FromF16(halves, row_floats) : FromBf16(halves, row_floats);
}

}  // namespace freshet
