// absl::flat_hash_map from key to slot, and a slab of rows: one key after the other, and pipelined.
#include "absl/container/flat_hash_map.h"
#include "perf/table/contestant.h"
#include "perf/table/indexed_rows.h"

namespace freshet::perf {
namespace {

class AbslIndex {
 public:
  void Prefetch(Key key) const { slots_.prefetch(key); }

  uint32_t Find(Key key) const { return slots_.find(key)->second; }

  uint32_t FindOrInsert(Key key, uint32_t new_slot) {
    return slots_.try_emplace(key, new_slot).first->second;
  }

 private:
  absl::flat_hash_map<Key, uint32_t> slots_;
};

}  // namespace

std::unique_ptr<Contestant> MakeAbsl(const TableShape& shape) {
  return ForDim(shape.dim,
                [&](auto dim) { return std::make_unique<IndexedRows<AbslIndex, dim, 0>>(shape); });
}

std::unique_ptr<Contestant> MakeAbslPrefetch(const TableShape& shape) {
  return ForDim(shape.dim,
                [&](auto dim) { return std::make_unique<IndexedRows<AbslIndex, dim, 16>>(shape); });
}

}  // namespace freshet::perf
