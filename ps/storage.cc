#include "ps/storage.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "common/key.h"

namespace freshet::ps {
namespace {

// Of the memory of a server with a store: an eighth is for what the store has read, as much for
// what it has still to write, within these bounds.
constexpr uint64_t kStorePart = 8;
// The program itself is counted too, as far as it takes no more than this part.
constexpr uint64_t kProgramPart = 4;
// And this part, at most, is for the names of rows that changed and went down.
constexpr uint64_t kMarksPart = 64;
// Of what a thread may use for rows: a piece of a cut.
constexpr uint64_t kPiecePart = 128;
constexpr uint64_t kLeastStoreBytes = 1U << 20U;
constexpr uint64_t kMostCacheBytes = 1024U << 20U;
constexpr uint64_t kMostWriteBytes = 192U << 20U;

ColdStoreOptions StoreOptionsOf(const StorageOptions& options) {
  const uint64_t share = std::max(options.dram_bytes / kStorePart, kLeastStoreBytes);
  ColdStoreOptions store;
  store.directory = options.directory;
  store.block_cache_bytes = std::min(share, kMostCacheBytes);
  store.write_buffer_bytes = std::min(share, kMostWriteBytes);
  store.marked_rows_per_table = std::min<uint64_t>(options.dram_bytes / kMarksPart / sizeof(Key),
                                                   store.marked_rows_per_table);
  return store;
}

// Memory that the process holds: before there are rows, what the program itself takes. 0 if the
// system does not tell.
uint64_t ResidentBytes() {
  uint64_t pages = 0;
  uint64_t resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

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
  return ColdStore::Open(StoreOptionsOf(options));
}

ShardStorage ShareOf(const StorageOptions& options, uint32_t owner_threads) {
  ShardStorage share;
  if (!options.directory.empty()) {
    const ColdStoreOptions store = StoreOptionsOf(options);
    const uint64_t of_program = std::min(ResidentBytes(), options.dram_bytes / kProgramPart);
    const uint64_t taken = of_program + store.block_cache_bytes + store.write_buffer_bytes;
    share.hot_bytes = (options.dram_bytes - std::min(options.dram_bytes, taken)) / owner_threads;
    share.piece_bytes = std::min(share.piece_bytes, share.hot_bytes / kPiecePart);
  }
  return share;
}

}  // namespace freshet::ps
