#include "worker/key_split.h"

#include <algorithm>
#include <numeric>

#include "common/check.h"

namespace freshet::worker {
namespace {

// One pass of a counting sort: `order`, stably sorted by bucket_of(index). Returns where each
// bucket begins, and the end.
template <typename BucketOf>
std::vector<uint32_t> SortInto(size_t buckets,
                               const BucketOf& bucket_of,
                               std::vector<uint32_t>& order) {
  std::vector<uint32_t> begins(buckets + 1, 0);
  for (const uint32_t index : order) {
    ++begins[bucket_of(index) + 1];
  }
  std::partial_sum(begins.begin(), begins.end(), begins.begin());
  std::vector<uint32_t> next(begins.begin(), begins.end() - 1);
  std::vector<uint32_t> sorted(order.size());
  for (const uint32_t index : order) {
    sorted[next[bucket_of(index)]++] = index;
  }
  order = std::move(sorted);
  return begins;
}

void SortBySlot(std::span<const uint16_t> slots, std::vector<uint32_t>& order) {
  const auto largest = std::max_element(slots.begin(), slots.end());
  const size_t buckets = largest == slots.end() ? 0 : size_t{*largest} + 1;
  (void)SortInto(
      buckets, [slots](uint32_t index) { return slots[index]; }, order);
}

void SortByServer(const PartitionMap& partitions, std::span<const Key> keys, KeySplit& split) {
  if (partitions.server_count() == 1) {
    split.begins = {0, static_cast<uint32_t>(keys.size())};
    return;
  }
  std::vector<uint32_t> servers(keys.size());
  std::transform(keys.begin(), keys.end(), servers.begin(), [&partitions](Key key) {
    return partitions.ServerOfKey(key);
  });
  split.begins = SortInto(
      partitions.server_count(),
      [&servers](uint32_t index) { return servers[index]; },
      split.order);
}

// A run wherever the slot changes.
void AddRuns(std::span<const uint32_t> indices, std::span<const uint16_t> slots, KeySplit& split) {
  const size_t first = split.runs.size();
  for (const uint32_t index : indices) {
    const uint32_t slot = slots.empty() ? 0 : slots[index];
    if (split.runs.size() == first || split.runs.back().slot != slot) {
      split.runs.push_back({.slot = slot, .keys = 0});
    }
    ++split.runs.back().keys;
  }
}

}  // namespace

// The least significant digit first: by slot, then by server.
KeySplit SplitKeys(const PartitionMap& partitions,
                   std::span<const Key> keys,
                   std::span<const uint16_t> slots) {
  FRESHET_DCHECK(slots.empty() || slots.size() == keys.size());
  KeySplit split;
  split.order.resize(keys.size());
  std::iota(split.order.begin(), split.order.end(), 0U);
  if (!slots.empty()) {
    SortBySlot(slots, split.order);
  }
  SortByServer(partitions, keys, split);
  for (uint32_t server = 0; server < partitions.server_count(); ++server) {
    split.run_begins.push_back(static_cast<uint32_t>(split.runs.size()));
    AddRuns(split.OfServer(server), slots, split);
  }
  split.run_begins.push_back(static_cast<uint32_t>(split.runs.size()));
  return split;
}

}  // namespace freshet::worker
