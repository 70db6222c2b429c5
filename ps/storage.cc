#include "ps/storage.h"

#include <algorithm>

#include "common/key.h"

namespace freshet::ps {
namespace {

// Of the memory of a server with a store: an eighth is for what the store has read, as much for
// what it has still to write, within these bounds.
constexpr uint64_t kStorePart = 8;
// And this part, at most, is for the names of rows that changed and went down.
constexpr uint64_t kMarksPart = 64;
constexpr uint64_t kLeastStoreBytes = 1U << 20U;
constexpr uint64_t kMostCacheBytes = 1024U << 20U;
constexpr uint64_t kMostWriteBytes = 192U << 20U;

}  // namespace

StatusOr<std::unique_ptr<ColdStore>> OpenStore(const StorageOptions& options) {
  if (options.directory.empty()) {
    return nullptr;
  }
  if (options.dram_bytes < StorageOptions::kLeastDramBytes) {
    return InvalidArgument("rows on disk: dram_bytes is {}, must be at least {}",
                           options.dram_bytes,
                           StorageOptions::kLeastDramBytes);
  }
  const uint64_t share = std::max(options.dram_bytes / kStorePart, kLeastStoreBytes);
  ColdStoreOptions store;
  store.directory = options.directory;
  store.block_cache_bytes = std::min(share, kMostCacheBytes);
  store.write_buffer_bytes = std::min(share, kMostWriteBytes);
  store.marked_rows_per_table = std::min<uint64_t>(options.dram_bytes / kMarksPart / sizeof(Key),
                                                   store.marked_rows_per_table);
  return ColdStore::Open(store);
}

ShardStorage ShareOf(const StorageOptions& options, ColdStore* store, uint32_t owner_threads) {
  ShardStorage share{.store = store};
  if (store != nullptr) {
    share.hot_bytes = (options.dram_bytes - store->memory_budget_bytes()) / owner_threads;
  }
  return share;
}

}  // namespace freshet::ps
