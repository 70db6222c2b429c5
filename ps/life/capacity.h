#pragma once
#include <cstdint>
#include <vector>

#include "common/key.h"
#include "proto/feature_policy.pb.h"
#include "ps/life/sweep.h"

namespace freshet::ps {

// What a bound in bytes allows an owner of rows.
struct CapacityBound {
  uint64_t max_bytes = 0;      // of all rows of the variable, in the whole cluster
  uint64_t bytes_per_row = 0;  // at least 1
  // The share of keys that the owner has.
  uint32_t partitions = 0;
  uint32_t all_partitions = 0;  // at least 1
};

// How many rows the owner may have in a range of hashes. Shares of neighbouring ranges add up to
// the share of both, so that nothing is lost to rounding.
uint64_t RowShare(const CapacityBound& bound, const HashRange& range);

struct CapacityRow {
  Key key = 0;
  uint32_t frequency = 0;
  uint32_t last_update = 0;
};

// Which of the rows of a range must go so that `share` stay. LRU: oldest last update first, then
// smallest key; LFU: lowest frequency, then oldest, then smallest key. In the order of keys;
// keys of `rows` are distinct.
std::vector<Key> BeyondCapacity(std::vector<CapacityRow> rows,
                                uint64_t share,
                                proto::Capacity::Strategy strategy);

}  // namespace freshet::ps
