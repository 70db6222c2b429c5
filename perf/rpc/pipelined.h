#pragma once
#include <cstddef>
#include <vector>

#include "perf/rpc/client.h"

namespace freshet::perf {

// Of a connection whose answers come in order: calls send(keys) for each batch, and
// receive(number of keys) for the oldest one once `in_flight` of them are unanswered.
template <typename Send, typename Receive>
RunTime RunPipelined(const std::vector<Keys>& batches,
                     size_t in_flight,
                     const Send& send,
                     const Receive& receive) {
  RunTime time;
  std::vector<std::chrono::steady_clock::time_point> sent(batches.size());
  const auto start = std::chrono::steady_clock::now();
  for (size_t i = 0; i < batches.size() + in_flight; ++i) {
    if (i >= in_flight) {
      receive(batches[i - in_flight].size());
      time.latencies.push_back(SecondsSince(sent[i - in_flight]));
    }
    if (i < batches.size()) {
      sent[i] = std::chrono::steady_clock::now();
      send(batches[i]);
    }
  }
  time.seconds = SecondsSince(start);
  return time;
}

}  // namespace freshet::perf
