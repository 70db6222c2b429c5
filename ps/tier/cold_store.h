#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "common/env/lock_file.h"
#include "common/mutex.h"
#include "common/status.h"

namespace freshet::ps {

class ColdTable;
struct ColdRocks;

struct ColdStoreOptions {
  // On a local disk with room for all cold rows and as much again. What the store keeps lies in the
  // folder `rows` in it, which is deleted when the store is opened and when it is closed.
  std::string directory;

  // ---- memory: the sum of these two is what the store takes, beside what each table says of
  // itself (ColdTable::memory_bytes)

  // For blocks of rows, and for the indexes and Bloom filters of all files. The filters alone need
  // 1.3 bytes a cold row: below that they are read from disk again and again.
  uint64_t block_cache_bytes = 256U << 20U;
  // For rows that were put and have not been written to a file yet. Larger: fewer files to merge.
  uint64_t write_buffer_bytes = 128U << 20U;

  // ---- leave these alone unless the disk says otherwise

  // LZ4. Embeddings hardly compress; zeros of young optimizer state do.
  bool compress = false;
  // Reads and writes pass by the page cache: where other programs need it more.
  bool direct_io = false;
  // All that flushes and compactions may write in a second. 0: no limit.
  uint64_t write_bytes_per_second = 0;
  // Threads for flushes and compactions.
  int background_jobs = 2;
  // Of each table: how many rows put as changed it remembers by name until the version that holds
  // them is committed, at 8 bytes each. With more of them a cut looks through all cold rows.
  uint64_t marked_rows_per_table = 2U << 20U;
};

// Since the store was opened. Any thread may read.
struct ColdStoreCounters {
  std::atomic<uint64_t> puts = 0;     // rows
  std::atomic<uint64_t> lookups = 0;  // keys, of Take, Get and Erase
  std::atomic<uint64_t> hits = 0;     // of these
  std::atomic<uint64_t> takes = 0;    // rows that left the store: taken or erased
  std::atomic<uint64_t> cut_rows = 0;
  std::atomic<uint64_t> bytes_put = 0;   // records, without their keys
  std::atomic<uint64_t> bytes_read = 0;  // likewise
  std::atomic<uint64_t> busy = 0;        // writes refused because the disk is behind
  std::atomic<uint64_t> failures = 0;    // operations that failed for another reason
};

// The rows of a server that do not fit into its memory: an embedded RocksDB, one per process, for
// all tables of all owner threads.
//
// It is scratch. The version log is the truth, and nothing is kept for a restart: no write-ahead
// log, no fsync. Where a server goes from one version to another, rows that are the same in both
// stay. Thread-safety: any thread.
class ColdStore {
 public:
  // Deletes what a store left in the directory before. FailedPrecondition: another one has it open,
  // or it cannot be written; ResourceExhausted: the disk is full.
  static StatusOr<std::unique_ptr<ColdStore>> Open(const ColdStoreOptions& options);
  // Tables and cuts may outlive it.
  ~ColdStore();

  // An empty table. `record_bytes`: of each row, without its key; at least 1.
  std::unique_ptr<ColdTable> MakeTable(size_t record_bytes);

  // After a failure that does not pass by itself, such as a damaged file, RocksDB takes no more
  // writes. Then this begins anew: tables made from now on are in another RocksDB; those before
  // stay in the broken one, which goes with the last of them. Else it does nothing.
  Status ReplaceIfBroken();

  // Whether it would.
  bool broken() const;

  // What the memory budget of the server should count: the two budgets of the options.
  uint64_t memory_budget_bytes() const;
  // What is in use of them now, as RocksDB counts it.
  uint64_t memory_bytes() const;
  // Of files.
  uint64_t disk_bytes() const;

  const ColdStoreCounters& counters() const;

 private:
  ColdStore(const ColdStoreOptions& options, std::unique_ptr<LockFile> lock);

  std::shared_ptr<ColdRocks> rocks() const ABSL_LOCKS_EXCLUDED(mutex_);
  StatusOr<std::shared_ptr<ColdRocks>> OpenRocks();

  const ColdStoreOptions options_;
  const std::unique_ptr<LockFile> lock_;  // keeps other stores out
  const std::shared_ptr<ColdStoreCounters> counters_;
  int opened_ = 0;  // RocksDBs so far

  mutable Mutex mutex_;
  std::shared_ptr<ColdRocks> rocks_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace freshet::ps
