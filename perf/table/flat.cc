// The limit: rows by their number, in one array on huge pages, prefetched. What any map does comes
// on top of this.
#include <algorithm>

#include "perf/table/contestant.h"
#include "perf/table/huge_array.h"
#include "perf/table/row.h"

namespace freshet::perf {
namespace {

constexpr size_t kAhead = 16;

template <uint32_t kDim>
class Flat final : public Contestant {
 public:
  explicit Flat(const TableShape& shape) : rows_(shape.rows) {}

  void Pull(const Batch& batch, std::span<float> values) override {
    const uint32_t* const rows = batch.rows.data();
    const size_t count = batch.rows.size();
    for (size_t i = 0; i < std::min(kAhead, count); ++i) {
      rows_[rows[i]].PrefetchValue();
    }
    for (size_t i = 0; i < count; ++i) {
      rows_[rows[std::min(i + kAhead, count - 1)]].PrefetchValue();
      rows_[rows[i]].CopyValue(&values[i * kDim]);
    }
  }

  void Push(const Batch& batch, std::span<const float> gradients) override {
    const uint32_t* const rows = batch.rows.data();
    const size_t count = batch.rows.size();
    for (size_t i = 0; i < std::min(kAhead, count); ++i) {
      rows_[rows[i]].PrefetchToWrite();
    }
    for (size_t i = 0; i < count; ++i) {
      rows_[rows[std::min(i + kAhead, count - 1)]].PrefetchToWrite();
      Row<kDim>& row = rows_[rows[i]];
      if (rows[i] == used_) {
        row.Init();
        ++used_;
      }
      row.Step(&gradients[i * kDim]);
    }
  }

 private:
  HugeArray<Row<kDim>> rows_;
  size_t used_ = 0;
};

}  // namespace

std::unique_ptr<Contestant> MakeFlat(const TableShape& shape) {
  return ForDim(shape.dim, [&](auto dim) { return std::make_unique<Flat<dim>>(shape); });
}

}  // namespace freshet::perf
