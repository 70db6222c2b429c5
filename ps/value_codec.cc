#include "ps/value_codec.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "common/half.h"

namespace freshet::ps {
namespace {

constexpr size_t kChunk = 64;  // elements rounded at a time, a multiple of 4

uint16_t* Halves(std::byte* stored) {
  return reinterpret_cast<uint16_t*>(stored);
}

// 16 bits for each element, four of a draw.
void Draw(uint64_t seed, size_t first, std::span<uint16_t> random) {
  for (size_t i = 0; i < random.size(); i += 4) {
    const uint64_t draw = SplitMix64(seed + first + i);
    for (size_t j = i; j < std::min(i + 4, random.size()); ++j) {
      random[j] = static_cast<uint16_t>(draw >> (16 * (j - i)));
    }
  }
}

}  // namespace

void ValueCodec::ReadHalves(const std::byte* stored, std::span<float> value) const {
  const std::span halves(reinterpret_cast<const uint16_t*>(stored), value.size());
  type_ == proto::F16 ? FromF16(halves, value) : FromBf16(halves, value);
}

void ValueCodec::WriteUpdate(std::span<const float> value,
                             Key key,
                             uint32_t frequency,
                             std::byte* stored) const {
  if (is_float()) {
    std::memcpy(stored, value.data(), value.size_bytes());
    return;
  }
  const uint64_t seed = SplitMix64(SplitMix64(seed_ ^ key) + frequency);
  std::array<uint16_t, kChunk> random;
  for (size_t begin = 0; begin < value.size(); begin += kChunk) {
    const size_t count = std::min(kChunk, value.size() - begin);
    Draw(seed, begin, std::span(random).first(count));
    const std::span<const float> from = value.subspan(begin, count);
    const std::span<uint16_t> to(Halves(stored) + begin, count);
    const std::span<const uint16_t> bits = std::span(random).first(count);
    type_ == proto::F16 ? ToF16Stochastic(from, bits, to) : ToBf16Stochastic(from, bits, to);
  }
}

void ValueCodec::WriteHalves(std::span<const float> value, std::byte* stored) const {
  const std::span<uint16_t> to(Halves(stored), value.size());
  type_ == proto::F16 ? ToF16(value, to) : ToBf16(value, to);
}

void ValueCodec::RoundNearest(std::span<float> value) const {
  if (is_float()) {
    return;
  }
  for (float& element : value) {
    element = type_ == proto::F16 ? FromF16(ToF16(element)) : FromBf16(ToBf16(element));
  }
}

}  // namespace freshet::ps
