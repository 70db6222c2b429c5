// What anyone writes in an hour: linear probing over cells of 16 bytes on huge pages, doubled at
// three quarters, and a slab of rows; pipelined. No deletion, no metadata.
#include <bit>
#include <utility>

#include "perf/table/contestant.h"
#include "perf/table/huge_array.h"
#include "perf/table/indexed_rows.h"

namespace freshet::perf {
namespace {

class LpIndex {
 public:
  void Prefetch(Key key) const { __builtin_prefetch(&cells_[HomeOf(key)]); }

  uint32_t Find(Key key) const { return cells_[CellOf(key)].slot_plus_one - 1; }

  uint32_t FindOrInsert(Key key, uint32_t new_slot) {
    Cell* cell = &cells_[CellOf(key)];
    if (cell->slot_plus_one == 0) {
      if (++used_ > cells_.size() / 4 * 3) {
        Grow();
        cell = &cells_[CellOf(key)];
      }
      *cell = {.key = key, .slot_plus_one = new_slot + 1};
    }
    return cell->slot_plus_one - 1;
  }

 private:
  struct Cell {
    Key key;
    uint32_t slot_plus_one;  // 0: empty
  };

  size_t HomeOf(Key key) const { return key * 0x9e3779b97f4a7c15U >> shift_; }

  // Where the key is, or the empty cell where it would be.
  size_t CellOf(Key key) const {
    size_t cell = HomeOf(key);
    while (cells_[cell].slot_plus_one != 0 && cells_[cell].key != key) {
      cell = (cell + 1) & (cells_.size() - 1);
    }
    return cell;
  }

  void Grow() {
    const HugeArray<Cell> old = std::exchange(cells_, HugeArray<Cell>(2 * cells_.size()));
    --shift_;
    for (size_t i = 0; i < old.size(); ++i) {
      if (old[i].slot_plus_one != 0) {
        cells_[CellOf(old[i].key)] = old[i];
      }
    }
  }

  HugeArray<Cell> cells_ = HugeArray<Cell>(1024);
  int shift_ = 64 - 10;  // the home is the hash's highest bits
  size_t used_ = 0;
};

}  // namespace

std::unique_ptr<Contestant> MakeLp(const TableShape& shape) {
  return ForDim(shape.dim,
                [&](auto dim) { return std::make_unique<IndexedRows<LpIndex, dim, 16>>(shape); });
}

}  // namespace freshet::perf
