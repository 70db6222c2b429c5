#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "common/key.h"
#include "common/status.h"

namespace rocksdb {
class Iterator;
class Snapshot;
}  // namespace rocksdb

namespace freshet::ps {

struct ColdRocks;

// The rows of a ColdTable that belong to a cut, as they were at its flip. Whatever the owner of the
// table does meanwhile does not disturb it (but Clear, after which the cut is of no use).
// Thread-safety: one thread at a time, which need not be the owner's. Goes before its store does.
class ColdCut {
 public:
  // Made by ColdTable::BeginCut.
  struct Scope {
    uint32_t table = 0;
    size_t record_bytes = 0;
    uint64_t rows_at_most = 0;
    // All rows whose generation is at least this.
    uint32_t from_generation = 0;
    // Where they may be, as mixed hashes in any order; null: anywhere.
    std::shared_ptr<const std::vector<uint64_t>> marks;
    // Sorted mixed hashes of rows that RocksDB has and the table had not any more.
    std::vector<uint64_t> gone;
  };

  ColdCut(std::shared_ptr<ColdRocks> rocks, Scope scope);
  ~ColdCut();
  ColdCut(const ColdCut&) = delete;
  ColdCut& operator=(const ColdCut&) = delete;

  uint64_t rows_at_most() const { return scope_.rows_at_most; }

  // Looks at up to `max_rows` rows and visits those of the cut; false when none is left. By
  // ascending mixed hash. After an error the cut is of no use.
  using Visit = absl::FunctionRef<void(Key key, std::span<const std::byte> record)>;
  StatusOr<bool> Next(size_t max_rows, Visit visit);

 private:
  StatusOr<bool> NextMarked(size_t max_rows, Visit visit);
  StatusOr<bool> NextOfAll(size_t max_rows, Visit visit);
  bool IsGone(uint64_t hash) const;

  const std::shared_ptr<ColdRocks> rocks_;
  const Scope scope_;
  const rocksdb::Snapshot* const snapshot_;

  // How far it has come.
  bool begun_ = false;
  std::vector<uint64_t> sorted_;  // the marks, each once
  size_t next_ = 0;
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

}  // namespace freshet::ps
