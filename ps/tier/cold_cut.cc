#include "ps/tier/cold_cut.h"

#include <algorithm>
#include <array>
#include <utility>

#include "ps/tier/cold_rocks.h"

namespace freshet::ps {
namespace {

// Keys to one MultiGet.
constexpr size_t kLookUpAtOnce = 128;
// What an iterator over all rows reads ahead.
constexpr size_t kReadaheadBytes = 1U << 20U;

ColdCut::Scope Sorted(ColdCut::Scope scope) {
  std::sort(scope.gone.begin(), scope.gone.end());
  return scope;
}

}  // namespace

ColdCut::ColdCut(std::shared_ptr<ColdRocks> rocks, Scope scope)
    : rocks_(std::move(rocks)),
      scope_(Sorted(std::move(scope))),
      snapshot_(rocks_->db->GetSnapshot()) {}

ColdCut::~ColdCut() {
  iterator_.reset();
  rocks_->db->ReleaseSnapshot(snapshot_);
}

bool ColdCut::IsGone(uint64_t hash) const {
  return std::binary_search(scope_.gone.begin(), scope_.gone.end(), hash);
}

StatusOr<bool> ColdCut::Next(size_t max_rows, Visit visit) {
  return scope_.marks != nullptr ? NextMarked(max_rows, visit) : NextOfAll(max_rows, visit);
}

StatusOr<bool> ColdCut::NextMarked(size_t max_rows, Visit visit) {
  if (!begun_) {
    begun_ = true;
    sorted_ = *scope_.marks;
    std::sort(sorted_.begin(), sorted_.end());
    sorted_.erase(std::unique(sorted_.begin(), sorted_.end()), sorted_.end());
  }
  rocksdb::ReadOptions read;
  read.snapshot = snapshot_;
  read.fill_cache = false;
  std::array<ColdKey, kLookUpAtOnce> keys;
  std::array<rocksdb::Slice, kLookUpAtOnce> slices;
  std::array<rocksdb::PinnableSlice, kLookUpAtOnce> values;
  std::array<rocksdb::Status, kLookUpAtOnce> statuses;
  const size_t end = next_ + std::min(max_rows, sorted_.size() - next_);
  while (next_ < end) {
    const size_t count = std::min(kLookUpAtOnce, end - next_);
    for (size_t i = 0; i < count; ++i) {
      keys[i] = ColdKey(scope_.table, sorted_[next_ + i]);
      slices[i] = keys[i].slice();
      values[i].Reset();
    }
    rocks_->db->MultiGet(read,
                         rocks_->db->DefaultColumnFamily(),
                         count,
                         slices.data(),
                         values.data(),
                         statuses.data(),
                         /*sorted_input=*/true);
    for (size_t i = 0; i < count; ++i) {
      const uint64_t hash = sorted_[next_ + i];
      if (statuses[i].IsNotFound() || IsGone(hash)) {
        continue;  // it was hot at the flip, or deleted
      }
      FRESHET_RETURN_IF_ERROR(rocks_->ToStatus(statuses[i], "read a cold row of a cut"));
      const ColdValue value(values[i], scope_.record_bytes);
      if (value.generation() >= scope_.from_generation) {
        visit(UnmixSplitMix64(hash), value.record());
        rocks_->counters->cut_rows.fetch_add(1, std::memory_order_relaxed);
      }
    }
    next_ += count;
  }
  return next_ < sorted_.size();
}

StatusOr<bool> ColdCut::NextOfAll(size_t max_rows, Visit visit) {
  if (!begun_) {
    begun_ = true;
    rocksdb::ReadOptions read;
    read.snapshot = snapshot_;
    read.fill_cache = false;
    read.readahead_size = kReadaheadBytes;
    iterator_.reset(rocks_->db->NewIterator(read));
    iterator_->Seek(ColdKey(scope_.table, 0).slice());
  }
  const ColdKey end(scope_.table + 1, 0);
  for (size_t seen = 0; seen < max_rows; ++seen) {
    if (!iterator_->Valid() || iterator_->key().compare(end.slice()) >= 0) {
      FRESHET_RETURN_IF_ERROR(
          rocks_->ToStatus(iterator_->status(), "look through cold rows for a cut"));
      return false;
    }
    const uint64_t hash = ColdKey::HashOf(iterator_->key());
    const ColdValue value(iterator_->value(), scope_.record_bytes);
    if (value.generation() >= scope_.from_generation && !IsGone(hash)) {
      visit(UnmixSplitMix64(hash), value.record());
      rocks_->counters->cut_rows.fetch_add(1, std::memory_order_relaxed);
    }
    iterator_->Next();
  }
  return true;
}

}  // namespace freshet::ps
