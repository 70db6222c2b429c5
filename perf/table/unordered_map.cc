// std::unordered_map in 64 shards, a mutex each, rows in its nodes. Shared by the threads.
#include <array>
#include <mutex>
#include <unordered_map>

#include "perf/table/contestant.h"
#include "perf/table/row.h"

namespace freshet::perf {
namespace {

template <uint32_t kDim>
class UnorderedMap final : public Contestant {
 public:
  void Pull(const Batch& batch, std::span<float> values) override {
    for (size_t i = 0; i < batch.keys.size(); ++i) {
      Shard& shard = ShardOf(batch.keys[i]);
      const std::lock_guard lock(shard.mutex);
      shard.rows.find(batch.keys[i])->second.CopyValue(&values[i * kDim]);
    }
  }

  void Push(const Batch& batch, std::span<const float> gradients) override {
    for (size_t i = 0; i < batch.keys.size(); ++i) {
      Shard& shard = ShardOf(batch.keys[i]);
      const std::lock_guard lock(shard.mutex);
      const auto [found, is_new] = shard.rows.try_emplace(batch.keys[i]);
      if (is_new) {
        found->second.Init();
      }
      found->second.Step(&gradients[i * kDim]);
    }
  }

 private:
  struct alignas(64) Shard {
    std::mutex mutex;
    std::unordered_map<Key, Row<kDim>> rows;
  };

  Shard& ShardOf(Key key) { return shards_[key * 0x9e3779b97f4a7c15U >> 58]; }

  std::array<Shard, 64> shards_;
};

}  // namespace

std::unique_ptr<Contestant> MakeUnorderedMap(const TableShape& shape) {
  return ForDim(shape.dim, [](auto dim) { return std::make_unique<UnorderedMap<dim>>(); });
}

}  // namespace freshet::perf
