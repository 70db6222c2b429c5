#include "serving/recall_index.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "common/check.h"

namespace freshet::serving {
namespace {

bool IsBetter(const Hit& a, const Hit& b) {
  return a.score != b.score ? a.score > b.score : a.item < b.item;
}

// The k best hits seen so far: a heap with the worst of them on top.
class Best {
 public:
  explicit Best(size_t k) : k_(k) { hits_.reserve(k); }

  // Whether a hit of this score could be among them. Items come in ascending order, so an equal
  // score comes too late.
  bool Wants(float score) const {
    return hits_.size() < k_ ? !std::isnan(score) : score > hits_.front().score;
  }

  void Add(const Hit& hit) {
    if (hits_.size() == k_) {
      std::pop_heap(hits_.begin(), hits_.end(), IsBetter);
      hits_.pop_back();
    }
    hits_.push_back(hit);
    std::push_heap(hits_.begin(), hits_.end(), IsBetter);
  }

  std::vector<Hit> Take() {
    std::sort_heap(hits_.begin(), hits_.end(), IsBetter);
    return std::move(hits_);
  }

 private:
  const size_t k_;
  std::vector<Hit> hits_;
};

}  // namespace

RecallIndex::RecallIndex(size_t items, uint32_t dim) : size_(items), dim_(dim) {
  blocks_.assign((items + kLanes - 1) / kLanes * block_floats(), 0.0F);
}

void RecallIndex::Set(uint32_t item, float bias, std::span<const float> vector) {
  FRESHET_DCHECK(item < size_ && vector.size() == dim_);
  float* lane = blocks_.data() + item / kLanes * block_floats() + item % kLanes;
  lane[0] = bias;
  for (size_t d = 0; d < dim_; ++d) {
    lane[(1 + d) * kLanes] = vector[d];
  }
}

float RecallIndex::Bias(uint32_t item) const {
  return blocks_[item / kLanes * block_floats() + item % kLanes];
}

float RecallIndex::Score(uint32_t item, std::span<const float> query) const {
  const float* lane = blocks_.data() + item / kLanes * block_floats() + item % kLanes;
  float score = lane[0];
  for (size_t d = 0; d < dim_; ++d) {
    score += query[d] * lane[(1 + d) * kLanes];
  }
  return score;
}

std::vector<Hit> RecallIndex::Search(std::span<const float> query,
                                     size_t k,
                                     std::span<const uint32_t> excluded) const {
  FRESHET_DCHECK(query.size() == dim_);
  Best best(std::min(k, size_));
  if (k == 0 || size_ == 0) {
    return {};
  }
  const float* block = blocks_.data();
  for (size_t first = 0; first < size_; first += kLanes, block += block_floats()) {
    float scores[kLanes];
    std::copy_n(block, kLanes, scores);
    for (size_t d = 0; d < dim_; ++d) {
      const float q = query[d];
      const float* values = block + (1 + d) * kLanes;
      for (size_t lane = 0; lane < kLanes; ++lane) {
        scores[lane] += q * values[lane];
      }
    }
    const size_t lanes = std::min(kLanes, size_ - first);
    for (size_t lane = 0; lane < lanes; ++lane) {
      const auto item = static_cast<uint32_t>(first + lane);
      if (best.Wants(scores[lane]) && !std::binary_search(excluded.begin(), excluded.end(), item)) {
        best.Add({.item = item, .score = scores[lane]});
      }
    }
  }
  return best.Take();
}

}  // namespace freshet::serving
