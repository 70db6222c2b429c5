#include "ps/bad_rows.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace freshet::ps {

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
