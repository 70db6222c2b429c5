#include "ps/tier/cold_store.h"

#include <fmt/format.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/rate_limiter.h>
#include <rocksdb/sst_file_manager.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "ps/tier/cold_rocks.h"
#include "ps/tier/cold_table.h"
#include "ps/tier/unsynced_env.h"

namespace freshet::ps {
namespace {

// Of write_buffer_bytes: one is filled while the others are written to files. With more than three
// RocksDB slows writers down before it stops them.
constexpr int kWriteBuffers = 3;
// Files of level 0 at which writers are stopped, without having been slowed down.
constexpr int kMostFilesOfLevel0 = 36;

Status FromError(const std::error_code& error, const std::string& what) {
  const bool full = error == std::errc::no_space_on_device;
  return MakeStatus(
      full ? absl::StatusCode::kResourceExhausted : absl::StatusCode::kFailedPrecondition,
      what + ": " + error.message());
}

std::string RowsDirectory(const std::string& directory) {
  return directory + "/rows";
}

// Only the folder `rows` is ever deleted: a wrong directory in a config must not cost anybody's
// files.
StatusOr<std::unique_ptr<LockFile>> LockAndWipe(const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    return FromError(error, "create the directory for cold rows " + directory);
  }
  auto lock = LockFile::Acquire(directory + "/lock");
  if (absl::IsAlreadyExists(lock.status())) {
    return FailedPrecondition(
        "another server keeps its cold rows in {}; each needs a directory of its own", directory);
  }
  FRESHET_RETURN_IF_ERROR(lock.status());
  std::filesystem::remove_all(RowsDirectory(directory), error);
  if (error) {
    return FromError(error, "empty " + RowsDirectory(directory));
  }
  std::filesystem::create_directory(RowsDirectory(directory), error);
  if (error) {
    return FromError(error, "create " + RowsDirectory(directory));
  }
  return lock;
}

rocksdb::BlockBasedTableOptions TableOptions(const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.cache_index_and_filter_blocks = true;  // or they would be beside every budget
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.whole_key_filtering = true;
  table.block_size = 4096;
  table.data_block_index_type = rocksdb::BlockBasedTableOptions::kDataBlockBinaryAndHash;
  table.format_version = 5;
  return table;
}

rocksdb::Options RocksOptions(const ColdRocks& rocks) {
  const ColdStoreOptions& options = rocks.options;
  rocksdb::Options rocksdb;
  rocksdb.create_if_missing = true;
  rocksdb.error_if_exists = true;
  rocksdb.env = rocks.env.get();
  rocksdb.avoid_flush_during_shutdown = true;
  rocksdb.max_background_jobs = options.background_jobs;
  rocksdb.use_direct_reads = options.direct_io;
  rocksdb.use_direct_io_for_flush_and_compaction = options.direct_io;
  if (options.write_bytes_per_second > 0) {
    rocksdb.rate_limiter.reset(
        rocksdb::NewGenericRateLimiter(static_cast<int64_t>(options.write_bytes_per_second)));
  }
  // With it RocksDB notices by itself that a full disk has room again.
  rocksdb.sst_file_manager.reset(rocksdb::NewSstFileManager(rocks.env.get()));
  rocksdb.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  rocksdb.keep_log_file_num = 2;
  rocksdb.max_log_file_size = 4U << 20U;
  rocksdb.stats_dump_period_sec = 0;
  rocksdb.stats_persist_period_sec = 0;

  rocksdb.write_buffer_size = options.write_buffer_bytes / kWriteBuffers;
  rocksdb.max_write_buffer_number = kWriteBuffers;
  rocksdb.memtable_prefix_bloom_size_ratio = 0.02;  // 27 bits a row of 170 bytes
  rocksdb.memtable_whole_key_filtering = true;
  rocksdb.compression = options.compress ? rocksdb::kLZ4Compression : rocksdb::kNoCompression;
  rocksdb.level_compaction_dynamic_level_bytes = true;
  rocksdb.max_bytes_for_level_base = std::max<uint64_t>(256U << 20U, 4 * rocksdb.write_buffer_size);
  // No writer is ever slowed down. Where one would be stopped it is refused instead, and comes
  // again later; so the backlog is bounded by files of level 0 alone.
  rocksdb.level0_file_num_compaction_trigger = 4;
  rocksdb.level0_slowdown_writes_trigger = kMostFilesOfLevel0;
  rocksdb.level0_stop_writes_trigger = kMostFilesOfLevel0;
  rocksdb.soft_pending_compaction_bytes_limit = 0;
  rocksdb.hard_pending_compaction_bytes_limit = 0;
  rocksdb.table_factory.reset(rocksdb::NewBlockBasedTableFactory(TableOptions(rocks.cache)));
  return rocksdb;
}

// 0 if RocksDB does not say.
uint64_t Property(rocksdb::DB& db, const std::string& name) {
  uint64_t value = 0;
  return db.GetIntProperty(name, &value) ? value : 0;
}

}  // namespace

StatusOr<std::unique_ptr<ColdStore>> ColdStore::Open(const ColdStoreOptions& options) {
  FRESHET_ASSIGN_OR_RETURN(std::unique_ptr<LockFile> lock, LockAndWipe(options.directory));
  std::unique_ptr<ColdStore> store(new ColdStore(options, std::move(lock)));
  FRESHET_ASSIGN_OR_RETURN(std::shared_ptr<ColdRocks> rocks, store->OpenRocks());
  const MutexLock guard(store->mutex_);
  store->rocks_ = std::move(rocks);
  return store;
}

ColdStore::ColdStore(const ColdStoreOptions& options, std::unique_ptr<LockFile> lock)
    : options_(options), lock_(std::move(lock)), counters_(std::make_shared<ColdStoreCounters>()) {}

ColdStore::~ColdStore() {
  {
    const MutexLock guard(mutex_);
    rocks_.reset();
  }
  std::error_code ignored;  // not empty: a cut still reads
  std::filesystem::remove(RowsDirectory(options_.directory), ignored);
}

StatusOr<std::shared_ptr<ColdRocks>> ColdStore::OpenRocks() {
  auto rocks = std::make_shared<ColdRocks>();
  rocks->options = options_;
  rocks->counters = counters_;
  rocks->directory = fmt::format("{}/{}", RowsDirectory(options_.directory), opened_++);
  rocks->env = MakeUnsyncedEnv();
  rocksdb::LRUCacheOptions cache;
  cache.capacity = options_.block_cache_bytes;
  cache.high_pri_pool_ratio = 0.5;
  rocks->cache = rocksdb::NewLRUCache(cache);
  rocksdb::DB* db = nullptr;
  const rocksdb::Status opened = rocksdb::DB::Open(RocksOptions(*rocks), rocks->directory, &db);
  FRESHET_RETURN_IF_ERROR(rocks->ToStatus(opened, "open the store of cold rows"));
  rocks->db.reset(db);
  return rocks;
}

std::shared_ptr<ColdRocks> ColdStore::rocks() const {
  const MutexLock guard(mutex_);
  return rocks_;
}

std::unique_ptr<ColdTable> ColdStore::MakeTable(size_t record_bytes) {
  return std::make_unique<ColdTable>(rocks(), record_bytes);
}

bool ColdStore::broken() const {
  return rocks()->broken.load(std::memory_order_relaxed);
}

Status ColdStore::ReplaceIfBroken() {
  if (!broken()) {
    return absl::OkStatus();
  }
  FRESHET_ASSIGN_OR_RETURN(std::shared_ptr<ColdRocks> next, OpenRocks());
  const MutexLock guard(mutex_);
  rocks_.swap(next);
  return absl::OkStatus();
}

uint64_t ColdStore::memory_budget_bytes() const {
  return options_.block_cache_bytes + options_.write_buffer_bytes;
}

uint64_t ColdStore::memory_bytes() const {
  const std::shared_ptr<ColdRocks> rocks = this->rocks();
  return rocks->cache->GetUsage() +
         Property(*rocks->db, rocksdb::DB::Properties::kCurSizeAllMemTables);
}

uint64_t ColdStore::disk_bytes() const {
  return Property(*rocks()->db, rocksdb::DB::Properties::kTotalSstFilesSize);
}

const ColdStoreCounters& ColdStore::counters() const {
  return *counters_;
}

}  // namespace freshet::ps
