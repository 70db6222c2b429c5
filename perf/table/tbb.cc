// oneTBB's concurrent_hash_map, rows in its nodes. Shared by the threads.
#include <tbb/concurrent_hash_map.h>

#include "perf/table/contestant.h"
#include "perf/table/row.h"

namespace freshet::perf {
namespace {

template <uint32_t kDim>
class Tbb final : public Contestant {
 public:
  void Pull(const Batch& batch, std::span<float> values) override {
    for (size_t i = 0; i < batch.keys.size(); ++i) {
      typename Rows::const_accessor found;
      if (rows_.find(found, batch.keys[i])) {
        found->second.CopyValue(&values[i * kDim]);
      }
    }
  }

  void Push(const Batch& batch, std::span<const float> gradients) override {
    for (size_t i = 0; i < batch.keys.size(); ++i) {
      typename Rows::accessor found;
      if (rows_.insert(found, batch.keys[i])) {
        found->second.Init();
      }
      found->second.Step(&gradients[i * kDim]);
    }
  }

 private:
  using Rows = tbb::concurrent_hash_map<Key, Row<kDim>>;
  Rows rows_;
};

}  // namespace

std::unique_ptr<Contestant> MakeTbb(const TableShape& shape) {
  return ForDim(shape.dim, [](auto dim) { return std::make_unique<Tbb<dim>>(); });
}

}  // namespace freshet::perf
