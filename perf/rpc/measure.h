#pragma once
#include <cstdint>
#include <string>

#include "perf/rpc/client.h"

namespace freshet::perf {

struct MeasureOptions {
  uint64_t rows = 0;
  uint32_t rounds = 0;
  uint32_t batches = 0;     // of a round
  uint32_t batch_keys = 0;  // unique in a batch, uniform among the rows
};

struct Contestant {
  std::string name;
  int pid = 0;  // of its server
  std::unique_ptr<Client> client;
};

// Gives every contestant its rows, then asks them in turn, round after round, and prints a line of
// JSON for each round and contestant:
//
//   {"name": "ps", "op": "pull", "in_flight": 4, "keys": 4096, "keys_per_s": ..., "p50_us": ...,
//    "server_cpu_s_per_million": ...}
void Measure(const MeasureOptions& options, const std::vector<Contestant>& contestants);

}  // namespace freshet::perf
