#include "ps/tier/cold_rocks.h"

#include <rocksdb/convenience.h>

#include <filesystem>
#include <system_error>

namespace freshet::ps {

ColdRocks::~ColdRocks() {
  if (db != nullptr) {
    rocksdb::CancelAllBackgroundWork(db.get(), /*wait=*/true);
    db.reset();
  }
  std::error_code ignored;  // what stays is deleted by the next to open
  std::filesystem::remove_all(directory, ignored);
}

Status ColdRocks::ToStatus(const rocksdb::Status& status, const char* what) {
  if (status.ok()) {
    return absl::OkStatus();
  }
  if (status.IsIncomplete()) {
    counters->busy.fetch_add(1, std::memory_order_relaxed);
    return Unavailable("{} in {}: the disk is behind with what was put before", what, directory);
  }
  counters->failures.fetch_add(1, std::memory_order_relaxed);
  const std::string message = fmt::format("{} in {}: {}", what, directory, status.ToString());
  if (status.IsNoSpace()) {
    return MakeStatus(absl::StatusCode::kResourceExhausted, message);
  }
  broken.store(true, std::memory_order_relaxed);
  return MakeStatus(
      status.IsCorruption() ? absl::StatusCode::kDataLoss : absl::StatusCode::kFailedPrecondition,
      message);
}

rocksdb::WriteOptions ColdRocks::WriteOptions(bool wait) {
  rocksdb::WriteOptions write;
  write.disableWAL = true;
  write.no_slowdown = !wait;
  write.memtable_insert_hint_per_batch = true;  // batches are sorted
  return write;
}

// The files that hold nothing else go at once, also when the disk is full; the rest is covered by a
// range tombstone, which no read meets: a number is not used again.
void ColdRocks::Retire(uint32_t table) {
  const MutexLock guard(mutex);
  retired.push_back(table);
  std::erase_if(retired, [this](uint32_t number) {
    const ColdKey begin(number, 0);
    const ColdKey end(number + 1, 0);
    const rocksdb::Slice from = begin.slice();
    const rocksdb::Slice to = end.slice();
    rocksdb::ColumnFamilyHandle* const family = db->DefaultColumnFamily();
    return rocksdb::DeleteFilesInRange(db.get(), family, &from, &to, /*include_end=*/false).ok() &&
           db->DeleteRange(WriteOptions(/*wait=*/false), family, from, to).ok();
  });
}

}  // namespace freshet::ps
