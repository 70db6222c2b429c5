#include "common/half.h"

#include <bit>
#include <cstddef>

#include "common/check.h"

#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace freshet {
namespace {

// Of a float32: its sign is the top bit, then 8 bits of exponent, biased by 127, then 23.
constexpr uint32_t kMagnitude = 0x7fff'ffffU;
constexpr uint32_t kInfinity = 0x7f80'0000U;
constexpr uint32_t kHiddenBit = 0x0080'0000U;
// Of F16: 5 bits of exponent, biased by 15, then 10.
constexpr uint16_t kF16Infinity = 0x7c00;
constexpr uint16_t kF16Quiet = 0x0200;
constexpr uint16_t kF16Largest = 0x7bff;
constexpr uint32_t kF16Drops = 13;                     // bits of a normal value
constexpr uint32_t kF16Rebias = 0x3800'0000U;          // (127 - 15) << 23
constexpr uint32_t kF16SmallestNormal = 0x3880'0000U;  // 2^-14, as a float's bits
constexpr uint32_t kF16LargestAsFloat = 0x477f'e000U;  // 65504
constexpr uint32_t kF16Beyond = 0x4780'0000U;          // 65536
// Of BF16.
constexpr uint16_t kBf16Quiet = 0x0040;
constexpr uint16_t kBf16Largest = 0x7f7f;
constexpr uint32_t kBf16LargestAsFloat = 0x7f7f'0000U;

// Where a magnitude lies between two neighbours, the lower of which has the bits `below`: so many
// 2^16ths of the way up, rounded down.
struct Position {
  uint16_t below;
  uint32_t fraction;
};

constexpr uint16_t SignOf(uint32_t bits) {
  return static_cast<uint16_t>((bits >> 16U) & 0x8000U);
}

constexpr uint16_t F16Nan(uint32_t bits) {
  return static_cast<uint16_t>(SignOf(bits) | kF16Infinity | kF16Quiet |
                               ((bits >> kF16Drops) & 0x3ffU));
}

constexpr uint16_t Bf16Nan(uint32_t bits) {
  const auto upper = static_cast<uint16_t>(bits >> 16U);
  // With the lower half of its payload alone it would turn into an infinity.
  return (upper & 0x7fU) != 0 ? upper : static_cast<uint16_t>(upper | kBf16Quiet);
}

// How many bits of a 24-bit significand lie below the last one of a subnormal half, 2^-24; the
// value is the significand times 2^(exponent - 150).
constexpr uint32_t SubnormalDrops(uint32_t magnitude) {
  return 126 - (magnitude >> 23U);
}

constexpr uint32_t Significand(uint32_t magnitude) {
  return (magnitude & (kHiddenBit - 1)) | kHiddenBit;
}

// Below kF16LargestAsFloat.
constexpr Position PositionInF16(uint32_t magnitude) {
  if (magnitude >= kF16SmallestNormal) {
    const uint32_t rebiased = magnitude - kF16Rebias;
    return {.below = static_cast<uint16_t>(rebiased >> kF16Drops),
            .fraction = (rebiased << (16 - kF16Drops)) & 0xffffU};
  }
  const uint32_t drops = SubnormalDrops(magnitude);
  if (drops >= 24 + 16 || magnitude < kHiddenBit) {
    return {.below = 0, .fraction = 0};
  }
  const uint64_t scaled = (uint64_t{Significand(magnitude)} << 16U) >> drops;
  return {.below = static_cast<uint16_t>(scaled >> 16U),
          .fraction = static_cast<uint32_t>(scaled & 0xffffU)};
}

uint16_t SubnormalToF16(uint32_t magnitude) {
  const uint32_t drops = SubnormalDrops(magnitude);
  if (drops > 24) {  // below 2^-25, half of the smallest
    return 0;
  }
  const uint32_t significand = Significand(magnitude);
  const uint32_t below = significand >> drops;
  const uint32_t rest = significand & ((1U << drops) - 1);
  const uint32_t half = 1U << (drops - 1);
  const bool up = rest > half || (rest == half && (below & 1U) != 0);
  return static_cast<uint16_t>(below + (up ? 1U : 0U));
}

#ifdef __x86_64__

// The processor has the instructions, and the system saves the registers that they need.
bool HasF16c() {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  return __builtin_cpu_supports("avx") && __get_cpuid(1, &a, &b, &c, &d) != 0 &&
         (c & bit_F16C) != 0;
}

const bool has_f16c = HasF16c();

// Convert all but the last few; say how many.
__attribute__((target("avx,f16c"))) size_t ToF16ByEights(std::span<const float> values,
                                                         uint16_t* halves) {
  size_t i = 0;
  for (; i + 8 <= values.size(); i += 8) {
    const __m128i eight =
        _mm256_cvtps_ph(_mm256_loadu_ps(values.data() + i), _MM_FROUND_TO_NEAREST_INT);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(halves + i), eight);
  }
  return i;
}

__attribute__((target("avx,f16c"))) size_t FromF16ByEights(std::span<const uint16_t> halves,
                                                           float* values) {
  size_t i = 0;
  for (; i + 8 <= halves.size(); i += 8) {
    const __m128i eight = _mm_loadu_si128(reinterpret_cast<const __m128i*>(halves.data() + i));
    _mm256_storeu_ps(values + i, _mm256_cvtph_ps(eight));
  }
  return i;
}

#endif

}  // namespace

uint16_t ToF16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t magnitude = bits & kMagnitude;
  if (magnitude > kInfinity) {
    return F16Nan(bits);
  }
  if (magnitude >= kF16Beyond) {
    return SignOf(bits) | kF16Infinity;
  }
  if (magnitude < kF16SmallestNormal) {
    return SignOf(bits) | SubnormalToF16(magnitude);
  }
  // A carry out of the significand goes into the exponent, and out of the largest to infinity.
  uint32_t rebiased = magnitude - kF16Rebias;
  rebiased += (1U << (kF16Drops - 1)) - 1 + ((rebiased >> kF16Drops) & 1U);
  return static_cast<uint16_t>(SignOf(bits) | (rebiased >> kF16Drops));
}

uint16_t ToBf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if ((bits & kMagnitude) > kInfinity) {
    return Bf16Nan(bits);
  }
  return static_cast<uint16_t>((bits + 0x7fffU + ((bits >> 16U) & 1U)) >> 16U);
}

float FromF16(uint16_t half) {
  const uint32_t sign = (half & 0x8000U) << 16U;
  const uint32_t magnitude = half & 0x7fffU;
  if (magnitude >= kF16Infinity) {
    const uint32_t payload = (magnitude & 0x3ffU) << kF16Drops;
    const uint32_t quiet = payload == 0 ? 0 : uint32_t{kF16Quiet} << kF16Drops;
    return std::bit_cast<float>(sign | kInfinity | quiet | payload);
  }
  if (magnitude >= 0x400) {
    return std::bit_cast<float>(sign | ((magnitude << kF16Drops) + kF16Rebias));
  }
  // Subnormal: a float holds it as a normal value.
  const float value = static_cast<float>(magnitude) * 0x1p-24F;
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(value));
}

float FromBf16(uint16_t half) {
  return std::bit_cast<float>(uint32_t{half} << 16U);
}

uint16_t ToF16Stochastic(float value, uint16_t random) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t magnitude = bits & kMagnitude;
  if (magnitude > kInfinity) {
    return F16Nan(bits);
  }
  if (magnitude >= kF16LargestAsFloat) {
    return SignOf(bits) | (magnitude == kInfinity ? kF16Infinity : kF16Largest);
  }
  const Position position = PositionInF16(magnitude);
  const uint32_t up = random < position.fraction ? 1 : 0;
  return static_cast<uint16_t>(SignOf(bits) | (position.below + up));
}

uint16_t ToBf16Stochastic(float value, uint16_t random) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t magnitude = bits & kMagnitude;
  if (magnitude > kInfinity) {
    return Bf16Nan(bits);
  }
  if (magnitude >= kBf16LargestAsFloat) {
    return magnitude == kInfinity ? static_cast<uint16_t>(bits >> 16U)
                                  : static_cast<uint16_t>(SignOf(bits) | kBf16Largest);
  }
  return static_cast<uint16_t>((bits >> 16U) + (random < (bits & 0xffffU) ? 1U : 0U));
}

void ToF16(std::span<const float> values, std::span<uint16_t> halves) {
  FRESHET_DCHECK(values.size() == halves.size());
  size_t i = 0;
#ifdef __x86_64__
  if (has_f16c) {
    i = ToF16ByEights(values, halves.data());
  }
#endif
  for (; i < values.size(); ++i) {
    halves[i] = ToF16(values[i]);
  }
}

void ToBf16(std::span<const float> values, std::span<uint16_t> halves) {
  FRESHET_DCHECK(values.size() == halves.size());
  for (size_t i = 0; i < values.size(); ++i) {
    halves[i] = ToBf16(values[i]);
  }
}

void FromF16(std::span<const uint16_t> halves, std::span<float> values) {
  FRESHET_DCHECK(values.size() == halves.size());
  size_t i = 0;
#ifdef __x86_64__
  if (has_f16c) {
    i = FromF16ByEights(halves, values.data());
  }
#endif
  for (; i < halves.size(); ++i) {
    values[i] = FromF16(halves[i]);
  }
}

void FromBf16(std::span<const uint16_t> halves, std::span<float> values) {
  FRESHET_DCHECK(values.size() == halves.size());
  for (size_t i = 0; i < halves.size(); ++i) {
    values[i] = FromBf16(halves[i]);
  }
}

void ToF16Stochastic(std::span<const float> values,
                     std::span<const uint16_t> random,
                     std::span<uint16_t> halves) {
  FRESHET_DCHECK(values.size() == halves.size() && values.size() == random.size());
  for (size_t i = 0; i < values.size(); ++i) {
    halves[i] = ToF16Stochastic(values[i], random[i]);
  }
}

void ToBf16Stochastic(std::span<const float> values,
                      std::span<const uint16_t> random,
                      std::span<uint16_t> halves) {
  FRESHET_DCHECK(values.size() == halves.size() && values.size() == random.size());
  for (size_t i = 0; i < values.size(); ++i) {
    halves[i] = ToBf16Stochastic(values[i], random[i]);
  }
}

}  // namespace freshet
