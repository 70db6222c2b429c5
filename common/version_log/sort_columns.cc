#include "common/version_log/sort_columns.h"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

namespace freshet {
namespace {

template <typename T>
std::vector<uint32_t> OrderOf(const std::vector<T>& column) {
  std::vector<uint32_t> order(column.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(
      order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return column[a] < column[b]; });
  return order;
}

// Row i of the result is row order[i] of the column, of `width` values. An empty column stays so.
template <typename T>
void Reorder(std::vector<T>& column, const std::vector<uint32_t>& order, size_t width = 1) {
  if (column.empty()) {
    return;
  }
  std::vector<T> sorted(column.size());
  for (size_t i = 0; i < order.size(); ++i) {
    std::copy_n(&column[order[i] * width], width, &sorted[i * width]);
  }
  column = std::move(sorted);
}

}  // namespace

void SortByKey(EmbeddingRows& rows) {
  const std::vector<uint32_t> order = OrderOf(rows.keys);
  Reorder(rows.keys, order);
  Reorder(rows.values, order, rows.dim);
  Reorder(rows.states, order, rows.state_dim);
  Reorder(rows.frequencies, order);
  Reorder(rows.last_updates, order);
  Reorder(rows.lives, order);
  Reorder(rows.served, order);
  std::sort(rows.tombstones.begin(), rows.tombstones.end());
  SortByKey(rows.candidates);
  SortByBlock(rows.filter);
}

void SortByKey(CandidateRows& rows) {
  const std::vector<uint32_t> order = OrderOf(rows.keys);
  Reorder(rows.keys, order);
  Reorder(rows.frequencies, order);
  Reorder(rows.last_updates, order);
  Reorder(rows.lives, order);
  std::sort(rows.tombstones.begin(), rows.tombstones.end());
}

void SortByBlock(FilterBlocks& filter) {
  const std::vector<uint32_t> order = OrderOf(filter.blocks);
  Reorder(filter.blocks, order);
  Reorder(filter.counters, order, FilterBlocks::kBlockBytes);
}

}  // namespace freshet
