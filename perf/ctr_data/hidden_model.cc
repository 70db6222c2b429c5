#include "perf/ctr_data/hidden_model.h"

#include <cmath>
#include <numbers>

namespace freshet::perf {
namespace {

constexpr double kExponent = 1.05;
constexpr size_t kRank = 4;
// Chosen so that a third of the truth is in the weights and the rest in the pairs.
constexpr double kBias = -1.3;
constexpr double kWeightDeviation = 0.16;
constexpr double kFactorDeviation = 0.145;

// Normal, by Box and Muller, from a hash.
double Gaussian(uint64_t hash) {
  Random random(hash);
  const double radius = std::sqrt(-2.0 * std::log(1.0 - random.Uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * random.Uniform());
}

}  // namespace

HiddenModel::HiddenModel(uint64_t seed) : seed_(seed), random_(seed) {
  zipf_.reserve(kSlots);
  for (const uint32_t size : kSlotSizes) {
    zipf_.emplace_back(size, kExponent);
  }
}

HiddenModel::Row HiddenModel::Draw() {
  Row row;
  for (size_t slot = 0; slot < kSlots; ++slot) {
    const uint64_t rank = zipf_[slot].Draw(random_);
    // Which values are frequent is another matter than how large they are.
    row.values[slot] = static_cast<uint32_t>(SplitMix64(rank * 64 + slot) % kSlotSizes[slot]);
  }
  row.probability = Probability(row.values);
  row.click = random_.Uniform() < row.probability;
  return row;
}

double HiddenModel::Probability(std::span<const uint32_t, kSlots> values) const {
  double logit = kBias;
  std::array<double, kRank> sum{};
  double squares = 0.0;
  for (size_t slot = 0; slot < kSlots; ++slot) {
    const uint64_t feature = SplitMix64(SplitMix64(seed_ + slot) + values[slot]);
    logit += kWeightDeviation * Gaussian(feature);
    for (size_t factor = 0; factor < kRank; ++factor) {
      const double weight = kFactorDeviation * Gaussian(feature + 1 + factor);
      sum[factor] += weight;
      squares += weight * weight;
    }
  }
  double pairs = -squares;
  for (const double element : sum) {
    pairs += element * element;
  }
  return 1.0 / (1.0 + std::exp(-logit - 0.5 * pairs));
}

}  // namespace freshet::perf
