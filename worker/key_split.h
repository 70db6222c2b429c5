#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "common/cluster/partition_map.h"
#include "common/key.h"

namespace freshet::worker {

// The keys of a batch, grouped by the server that owns them, there by slot if slots matter, and in
// each group in the order in which they came.
struct KeySplit {
  // Keys of one slot, next to each other in order; of any slots where slots do not matter.
  struct Run {
    uint32_t slot = 0;
    uint32_t keys = 0;

    friend bool operator==(const Run&, const Run&) = default;
  };

  std::vector<uint32_t> order;       // [keys] indices of keys
  std::vector<uint32_t> begins;      // [servers + 1], into order
  std::vector<Run> runs;             // of one server after the other; none is empty
  std::vector<uint32_t> run_begins;  // [servers + 1], into runs

  std::span<const uint32_t> OfServer(uint32_t server) const {
    return std::span(order).subspan(begins[server], begins[server + 1] - begins[server]);
  }

  // Together they hold the keys of OfServer.
  std::span<const Run> RunsOfServer(uint32_t server) const {
    return std::span(runs).subspan(run_begins[server], run_begins[server + 1] - run_begins[server]);
  }
};

// slots [keys]: where each key comes from. Empty: slots do not matter, a server's keys are one run
// of slot 0.
KeySplit SplitKeys(const PartitionMap& partitions,
                   std::span<const Key> keys,
                   std::span<const uint16_t> slots = {});

}  // namespace freshet::worker
