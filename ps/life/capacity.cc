#include "ps/life/capacity.h"

#include <algorithm>
#include <tuple>

#include "common/check.h"

namespace freshet::ps {
namespace {

bool GoesFirstLru(const CapacityRow& a, const CapacityRow& b) {
  return std::tie(a.last_update, a.key) < std::tie(b.last_update, b.key);
}

bool GoesFirstLfu(const CapacityRow& a, const CapacityRow& b) {
  return std::tie(a.frequency, a.last_update, a.key) < std::tie(b.frequency, b.last_update, b.key);
}

}  // namespace

uint64_t RowShare(const CapacityBound& bound, const HashRange& range) {
  FRESHET_CHECK(bound.bytes_per_row > 0 && bound.all_partitions > 0);
  const auto rows =
      static_cast<uint64_t>(static_cast<unsigned __int128>(bound.max_bytes / bound.bytes_per_row) *
                            bound.partitions / bound.all_partitions);
  const auto before = [rows](uint64_t hash) {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(rows) * hash) >> 64U);
  };
  const uint64_t after = range.end_inclusive + 1;  // 0: the range ends where the hashes do
  return (after == 0 ? rows : before(after)) - before(range.begin);
}

std::vector<Key> BeyondCapacity(std::vector<CapacityRow> rows,
                                uint64_t share,
                                proto::Capacity::Strategy strategy) {
  if (rows.size() <= share) {
    return {};
  }
  const auto beyond = static_cast<std::ptrdiff_t>(rows.size() - share);
  if (share > 0) {
    std::nth_element(rows.begin(),
                     rows.begin() + beyond,
                     rows.end(),
                     strategy == proto::Capacity::LFU ? GoesFirstLfu : GoesFirstLru);
  }
  std::vector<Key> keys;
  keys.reserve(static_cast<size_t>(beyond));
  for (auto row = rows.begin(); row != rows.begin() + beyond; ++row) {
    keys.push_back(row->key);
  }
  std::sort(keys.begin(), keys.end());
  return keys;
}

}  // namespace freshet::ps
