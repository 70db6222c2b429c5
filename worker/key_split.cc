#include "worker/key_split.h"

#include <numeric>

namespace freshet::worker {

// A counting sort.
KeySplit SplitKeys(const PartitionMap& partitions, std::span<const Key> keys) {
  KeySplit split;
  split.order.resize(keys.size());
  split.begins.assign(partitions.server_count() + 1, 0);
  if (partitions.server_count() == 1) {
    std::iota(split.order.begin(), split.order.end(), 0U);
    split.begins[1] = static_cast<uint32_t>(keys.size());
    return split;
  }
  std::vector<uint32_t> servers(keys.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    servers[i] = partitions.ServerOfKey(keys[i]);
    ++split.begins[servers[i] + 1];
  }
  std::partial_sum(split.begins.begin(), split.begins.end(), split.begins.begin());
  std::vector<uint32_t> next(split.begins.begin(), split.begins.end() - 1);
  for (uint32_t i = 0; i < keys.size(); ++i) {
    split.order[next[servers[i]]++] = i;
  }
  return split;
}

}  // namespace freshet::worker
