#include "ps/life/bloom_size.h"

#include <array>
#include <cmath>
#include <cstddef>

#include "common/check.h"

namespace freshet::ps {
namespace {

constexpr uint32_t kMaxProbes = 16;
constexpr size_t kMaxKeysInBlock = 192;
constexpr uint32_t kGrid = 64;  // steps of keys per block, so that no rounding decides the size
// Hashes are not ideal, and a filter is one draw: what is measured may lie a little higher.
constexpr double kMargin = 0.95;

double Binomial(uint32_t n, uint32_t k) {
  if (k > n) {
    return 0;
  }
  double result = 1;
  for (uint32_t i = 0; i < k; ++i) {
    result = result * (n - i) / (i + 1);
  }
  return result;
}

// For one number of probes: false positives of a block that holds i keys.
class BlockOdds {
 public:
  explicit BlockOdds(uint32_t probes) {
    constexpr uint32_t kCells = kBloomBlockCounters;
    std::array<std::array<double, kMaxProbes + 1>, kCells + 1> fresh{};
    std::array<double, kCells + 1> hit{};
    const double ways = Binomial(kCells, probes);
    for (uint32_t full = 0; full <= kCells; ++full) {
      hit[full] = Binomial(full, probes) / ways;
      for (uint32_t j = 0; j <= probes; ++j) {
        fresh[full][j] = Binomial(kCells - full, j) * Binomial(full, probes - j) / ways;
      }
    }
    std::array<double, kCells + 1> odds{};  // that so many counters are above 0
    odds[0] = 1;
    for (double& by_keys : by_keys_) {
      std::array<double, kCells + 1> next{};
      by_keys = 0;
      for (uint32_t full = 0; full <= kCells; ++full) {
        by_keys += odds[full] * hit[full];
        for (uint32_t j = 0; j <= probes && full + j <= kCells; ++j) {
          next[full + j] += odds[full] * fresh[full][j];
        }
      }
      odds = next;
    }
  }

  double AtMean(double keys_per_block) const {
    double poisson = std::exp(-keys_per_block);
    double sum = 0;
    double covered = 0;
    for (size_t i = 0; i < by_keys_.size(); ++i) {
      sum += poisson * by_keys_[i];
      covered += poisson;
      poisson *= keys_per_block / static_cast<double>(i + 1);
    }
    return sum + (1 - covered);  // a block beyond the table counts as full
  }

 private:
  std::array<double, kMaxKeysInBlock> by_keys_;
};

}  // namespace

double BlockedFalsePositives(double keys_per_block, uint32_t probes) {
  FRESHET_CHECK(probes >= 1 && probes <= kMaxProbes);
  return BlockOdds(probes).AtMean(keys_per_block);
}

BloomSize SizeBloom(uint64_t keys, double false_positives) {
  FRESHET_CHECK(keys >= 1);
  BloomSize best;
  for (uint32_t probes = 1; probes <= kMaxProbes; ++probes) {
    const BlockOdds odds(probes);
    uint32_t least = 0;                           // of these fewer false positives, or none
    uint32_t most = kBloomBlockCounters * kGrid;  // of these more
    while (most - least > 1) {
      const uint32_t middle = (least + most) / 2;
      const double share = odds.AtMean(static_cast<double>(middle) / kGrid);
      (share <= false_positives * kMargin ? least : most) = middle;
    }
    if (least > best.keys_per_block_64) {
      best = {.probes = probes, .keys_per_block_64 = least};
    }
  }
  FRESHET_CHECK(best.keys_per_block_64 > 0);
  best.blocks = (keys * kGrid + best.keys_per_block_64 - 1) / best.keys_per_block_64;
  return best;
}

}  // namespace freshet::ps
