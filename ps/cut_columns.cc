#include "ps/cut_columns.h"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "ps/life/sort_columns.h"

namespace freshet::ps {
namespace {

// column [rows * width]; row i of the result is row order[i] of the column.
template <typename T>
void Reorder(std::vector<T>& column, const std::vector<uint32_t>& order, size_t width) {
  std::vector<T> sorted;
  sorted.reserve(column.size());
  for (const uint32_t row : order) {
    const auto begin = column.begin() + static_cast<std::ptrdiff_t>(row * width);
    sorted.insert(sorted.end(), begin, begin + static_cast<std::ptrdiff_t>(width));
  }
  column = std::move(sorted);
}

}  // namespace

void SortByKey(EmbeddingRows& rows) {
  std::vector<uint32_t> order(rows.keys.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return rows.keys[a] < rows.keys[b];
  });
  Reorder(rows.keys, order, 1);
  Reorder(rows.values, order, rows.dim);
  Reorder(rows.states, order, rows.state_dim);
  Reorder(rows.frequencies, order, 1);
  Reorder(rows.last_updates, order, 1);
  if (!rows.lives.empty()) {
    Reorder(rows.lives, order, 1);
  }
  if (!rows.served.empty()) {
    Reorder(rows.served, order, 1);
  }
  std::sort(rows.tombstones.begin(), rows.tombstones.end());
  SortByKey(rows.candidates);
  SortByBlock(rows.filter);
}

uint64_t CountBadRows(const PartContents& contents, float limit) {
  const float largest = limit > 0.0F ? limit : std::numeric_limits<float>::max();
  uint64_t bad = 0;
  for (const EmbeddingRows& rows : contents.embeddings) {
    for (size_t row = 0; row < rows.keys.size(); ++row) {
      const float* const values = rows.values.data() + row * rows.dim;
      // Not a comparison with "greater": what is no number is bad.
      const bool good = std::all_of(
          values, values + rows.dim, [&](float value) { return std::abs(value) <= largest; });
      bad += good ? 0 : 1;
    }
  }
  return bad;
}

}  // namespace freshet::ps
