#pragma once
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "common/check.h"
#include "common/mutex.h"
#include "common/status.h"
#include "ps/tier/cold_store.h"

// Private to ps/tier: what the store's classes share of RocksDB. Lives as long as any of them.
//
//   key    table number, u32 big-endian; mixed hash of the key, u64 big-endian
//   value  the record; generation, u32 little-endian (ps/tier/cold_table.h)
namespace freshet::ps {

struct ColdRocks {
  ColdStoreOptions options;
  std::string directory;  // of the files
  std::unique_ptr<rocksdb::Env> env;
  std::shared_ptr<rocksdb::Cache> cache;
  std::unique_ptr<rocksdb::DB> db;
  std::atomic<uint32_t> next_table = 0;
  std::shared_ptr<ColdStoreCounters> counters;
  // Something failed that does not pass by itself: no answer can be trusted to come any more.
  std::atomic<bool> broken = false;

  Mutex mutex;
  // Tables that are gone and whose rows could not be deleted yet.
  std::vector<uint32_t> retired ABSL_GUARDED_BY(mutex);

  ColdRocks() = default;
  ~ColdRocks();
  ColdRocks(const ColdRocks&) = delete;
  ColdRocks& operator=(const ColdRocks&) = delete;

  // Counts it too. `what` was tried.
  Status ToStatus(const rocksdb::Status& status, const char* what);

  // How rows are written: at once or, unless `wait`, not at all.
  static rocksdb::WriteOptions WriteOptions(bool wait);

  // Deletes all rows of a table, whose number will not be used again.
  void Retire(uint32_t table);
};

class ColdKey {
 public:
  static constexpr size_t kBytes = 12;

  ColdKey() = default;

  ColdKey(uint32_t table, uint64_t hash) {
    const uint32_t big_table = __builtin_bswap32(table);
    const uint64_t big_hash = __builtin_bswap64(hash);
    std::memcpy(bytes_.data(), &big_table, sizeof(big_table));
    std::memcpy(bytes_.data() + sizeof(big_table), &big_hash, sizeof(big_hash));
  }

  rocksdb::Slice slice() const { return {bytes_.data(), bytes_.size()}; }

  static uint64_t HashOf(const rocksdb::Slice& key) {
    FRESHET_CHECK(key.size() == kBytes);
    uint64_t big_hash = 0;
    std::memcpy(&big_hash, key.data() + kBytes - sizeof(big_hash), sizeof(big_hash));
    return __builtin_bswap64(big_hash);
  }

 private:
  std::array<char, kBytes> bytes_;
};

// A value, checked to be of the right size: its files are ours alone and have checksums.
class ColdValue {
 public:
  ColdValue(const rocksdb::Slice& value, size_t record_bytes) : value_(value) {
    FRESHET_CHECK(value.size() == record_bytes + sizeof(uint32_t));
  }

  std::span<const std::byte> record() const {
    return {reinterpret_cast<const std::byte*>(value_.data()), value_.size() - sizeof(uint32_t)};
  }

  uint32_t generation() const {
    uint32_t generation = 0;
    std::memcpy(
        &generation, value_.data() + value_.size() - sizeof(generation), sizeof(generation));
    return generation;
  }

 private:
  rocksdb::Slice value_;
};

}  // namespace freshet::ps
