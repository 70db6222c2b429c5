#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "perf/table/contestant.h"
#include "perf/table/huge_array.h"
#include "perf/table/row.h"

namespace freshet::perf {

// A slab of rows on huge pages, and an index from key to slot:
//
//   void Prefetch(Key) const;                       the memory that the next two begin with
//   uint32_t Find(Key) const;                       the key is there
//   uint32_t FindOrInsert(Key, uint32_t new_slot);  new_slot if it was not
//
// kAhead > 0 is software pipelining: the cells of key i + 2 kAhead and the row of key i + kAhead
// are fetched while the row of key i is used. 0: one key after the other.
template <typename Index, uint32_t kDim, size_t kAhead>
class IndexedRows final : public Contestant {
 public:
  explicit IndexedRows(const TableShape& shape) : rows_(shape.rows) {}

  void Pull(const Batch& batch, std::span<float> values) override {
    ForEach(
        batch.keys,
        [&](Key key) { return index_.Find(key); },
        [](const Row<kDim>& row) { row.PrefetchValue(); },
        [&](size_t i, const Row<kDim>& row) { row.CopyValue(&values[i * kDim]); });
  }

  void Push(const Batch& batch, std::span<const float> gradients) override {
    ForEach(
        batch.keys,
        [&](Key key) { return FindOrMake(key); },
        [](const Row<kDim>& row) { row.PrefetchToWrite(); },
        [&](size_t i, Row<kDim>& row) { row.Step(&gradients[i * kDim]); });
  }

 private:
  uint32_t FindOrMake(Key key) {
    const uint32_t slot = index_.FindOrInsert(key, used_);
    if (slot == used_) {
      rows_[used_++].Init();
    }
    return slot;
  }

  template <typename Locate, typename Prefetch, typename Use>
  void ForEach(std::span<const Key> keys, Locate locate, Prefetch prefetch, Use use) {
    if constexpr (kAhead == 0) {
      for (size_t i = 0; i < keys.size(); ++i) {
        use(i, rows_[locate(keys[i])]);
      }
    } else {
      std::array<uint32_t, kAhead> located;  // the slot of key i at i % kAhead
      for (size_t step = 0; step < keys.size() + 2 * kAhead; ++step) {
        uint32_t& slot = located[step % kAhead];
        if (step >= 2 * kAhead) {
          use(step - 2 * kAhead, rows_[slot]);
        }
        if (step >= kAhead && step - kAhead < keys.size()) {
          slot = locate(keys[step - kAhead]);
          prefetch(rows_[slot]);
        }
        if (step < keys.size()) {
          index_.Prefetch(keys[step]);
        }
      }
    }
  }

  Index index_;
  HugeArray<Row<kDim>> rows_;
  uint32_t used_ = 0;
};

}  // namespace freshet::perf
