#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "perf/zipf.h"

namespace freshet::perf {

// 13 binned counts, then 26 categories, with as many values as in Criteo's Kaggle log or so.
inline constexpr std::array<uint32_t, 39> kSlotSizes = {
    32,   40,   48,    56,    64,    72,    80,    96,     100,    120,    128,    160,    200,
    4,    10,   16,    24,    27,    100,   300,   600,    1000,   1500,   2000,   3000,   5000,
    5600, 8000, 10000, 12000, 15000, 30000, 60000, 100000, 150000, 300000, 500000, 800000, 1000000};
inline constexpr size_t kCounts = 13;
inline constexpr size_t kSlots = kSlotSizes.size();

// A click log whose truth is known: in each slot a value is drawn by Zipf's law (exponent 1.05),
// and a factorization machine of rank 4, whose weights follow from the seed, gives the probability
// of a click (about 0.3 on average).
class HiddenModel {
 public:
  explicit HiddenModel(uint64_t seed);

  struct Row {
    std::array<uint32_t, kSlots> values{};  // below kSlotSizes of its slot
    double probability = 0.0;
    bool click = false;
  };

  Row Draw();

 private:
  double Probability(std::span<const uint32_t, kSlots> values) const;

  const uint64_t seed_;
  Random random_;
  std::vector<Zipf> zipf_;
};

}  // namespace freshet::perf
