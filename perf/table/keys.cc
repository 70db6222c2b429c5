#include "perf/table/keys.h"

#include <numeric>
#include <utility>

#include "common/check.h"

namespace freshet::perf {

Population::Population(uint32_t rows, uint32_t owners)
    : owners_(owners), ids_(owners), row_of_id_(rows) {
  FRESHET_CHECK(owners == 1 || owners == 2);
  std::vector<uint32_t> order(rows);
  std::iota(order.begin(), order.end(), 0U);
  Random random(rows);
  for (uint32_t i = rows; i > 1; --i) {
    std::swap(order[i - 1], order[random.Below(i)]);
  }
  for (const uint32_t id : order) {
    std::vector<uint32_t>& ids = ids_[OwnerOf(SplitMix64(id))];
    row_of_id_[id] = static_cast<uint32_t>(ids.size());
    ids.push_back(id);
  }
}

void Population::NewRows(uint32_t owner, size_t begin, KeyStream& stream) const {
  for (size_t i = 0; i < stream.size() && begin + i < ids_[owner].size(); ++i) {
    stream.Set(i, SplitMix64(ids_[owner][begin + i]), static_cast<uint32_t>(begin + i));
  }
}

KeyStream Population::Draw(uint32_t owner,
                           Distribution distribution,
                           uint64_t seed,
                           size_t count) const {
  KeyStream stream(count);
  const uint32_t ids = static_cast<uint32_t>(row_of_id_.size());
  const Zipf zipf(ids, kZipfExponent);
  Random random(2 * seed + owner);
  for (size_t i = 0; i < count;) {
    const uint32_t id =
        distribution == Distribution::kUniform ? random.Below(ids) : zipf.Draw(random);
    const Key key = SplitMix64(id);
    if (OwnerOf(key) == owner) {
      stream.Set(i, key, row_of_id_[id]);
      ++i;
    }
  }
  return stream;
}

}  // namespace freshet::perf
