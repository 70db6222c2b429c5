#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "common/cluster/partition_map.h"
#include "common/key.h"

namespace freshet::worker {

// The keys of a batch, grouped by the server that owns them, in the order in which they came.
struct KeySplit {
  std::vector<uint32_t> order;   // [keys] indices of keys
  std::vector<uint32_t> begins;  // [servers + 1], into order

  std::span<const uint32_t> OfServer(uint32_t server) const {
    return std::span(order).subspan(begins[server], begins[server + 1] - begins[server]);
  }
};

KeySplit SplitKeys(const PartitionMap& partitions, std::span<const Key> keys);

}  // namespace freshet::worker
