#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace freshet::serving {

struct Hit {
  uint32_t item = 0;
  float score = 0.0F;  // the item's bias + inner product with the query
};

// The items' biases and vectors, and the exact search for the best of them: every item is scored.
// Whoever needs more items than a scan can do puts another search behind the same three functions.
//
// Layout: blocks of kLanes items, in each first the biases, then for each dimension the items'
// values of it, so that the scan adds kLanes products at a time without gathering.
// Copyable. Thread-safety: any thread may read while nobody writes.
class RecallIndex {
 public:
  RecallIndex() = default;
  // All items begin with bias 0 and a vector of zeros.
  RecallIndex(size_t items, uint32_t dim);

  size_t size() const { return size_; }

  uint32_t dim() const { return dim_; }

  void Set(uint32_t item, float bias, std::span<const float> vector);

  float Bias(uint32_t item) const;
  // The item's bias + its inner product with `query` [dim].
  float Score(uint32_t item, std::span<const float> query) const;

  // The k best items, best first; equal scores in the order of items. `query` [dim]; `excluded`
  // ascending. Fewer only if there are no more; an item whose score is not a
  // number counts as none.
  std::vector<Hit> Search(std::span<const float> query,
                          size_t k,
                          std::span<const uint32_t> excluded) const;

 private:
  static constexpr size_t kLanes = 16;

  size_t block_floats() const { return kLanes * (1 + size_t{dim_}); }

  size_t size_ = 0;
  uint32_t dim_ = 0;
  std::vector<float> blocks_;
};

}  // namespace freshet::serving
