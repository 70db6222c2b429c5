#include "ps/tier/cold_table.h"

#include <rocksdb/write_batch.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <utility>

#include "common/check.h"
#include "common/mutant.h"
#include "ps/tier/cold_rocks.h"

namespace freshet::ps {
namespace {

// Keys to one MultiGet.
constexpr size_t kLookUpAtOnce = 128;
// Of deletes that are tried again, to one batch.
constexpr size_t kDeletesAtOnce = 4096;

// What `add` answered, unless something went wrong before.
template <typename Add>
void Then(rocksdb::Status& status, Add add) {
  if (status.ok()) {
    status = add();
  }
}

void Count(std::atomic<uint64_t>& counter, uint64_t by) {
  counter.fetch_add(by, std::memory_order_relaxed);
}

}  // namespace

void ColdTable::Marks::Add(uint64_t hash, size_t limit) {
  if (overflowed) {
    return;
  }
  if (hashes.size() >= limit) {
    overflowed = true;
    hashes = {};
    return;
  }
  hashes.push_back(hash);
}

void ColdTable::Marks::Append(const Marks& marks, size_t limit) {
  if (overflowed || marks.overflowed || hashes.size() + marks.hashes.size() > limit) {
    overflowed = true;
    hashes = {};
    return;
  }
  hashes.insert(hashes.end(), marks.hashes.begin(), marks.hashes.end());
}

ColdTable::ColdTable(std::shared_ptr<ColdRocks> rocks, size_t record_bytes)
    : rocks_(std::move(rocks)),
      record_bytes_(record_bytes),
      number_(rocks_->next_table.fetch_add(1)) {
  FRESHET_CHECK(record_bytes > 0);
}

ColdTable::~ColdTable() {
  rocks_->Retire(number_);
}

uint64_t ColdTable::bytes() const {
  return rows() * (record_bytes_ + sizeof(Key));
}

uint64_t ColdTable::memory_bytes() const {
  const size_t marks = marks_.hashes.capacity() + marks_in_cut_.hashes.capacity() +
                       (marks_of_cut_ == nullptr ? 0 : marks_of_cut_->hashes.capacity());
  // A hash set takes a byte a cell beside its keys.
  return marks * sizeof(uint64_t) + to_delete_.capacity() * (sizeof(uint64_t) + 1) +
         order_.capacity() * sizeof(Ordered);
}

void ColdTable::Order(std::span<const Key> keys) {
  FRESHET_CHECK(keys.size() <= std::numeric_limits<uint32_t>::max());
  order_.resize(keys.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    order_[i] = {.hash = SplitMix64(keys[i]), .position = static_cast<uint32_t>(i)};
  }
  std::sort(order_.begin(), order_.end(), [](const Ordered& a, const Ordered& b) {
    return a.hash != b.hash ? a.hash < b.hash : a.position < b.position;
  });
}

uint32_t ColdTable::GenerationOf(RowState state) const {
  switch (state) {
    case RowState::kClean:
      return 0;
    case RowState::kDirty:
      return generation_;
    case RowState::kInCut:
      FRESHET_CHECK(cutting_);
      return generation_ - 1;
    case RowState::kNone:
      break;
  }
  FRESHET_UNREACHABLE();
}

RowState ColdTable::StateOf(uint32_t generation) const {
  if (generation < committed_below_) {
    return RowState::kClean;
  }
  return cutting_ && generation < generation_ ? RowState::kInCut : RowState::kDirty;
}

Status ColdTable::Put(std::span<const Key> keys,
                      std::span<const std::byte> records,
                      std::span<const RowState> states,
                      WhenBusy when_busy) {
  FRESHET_CHECK(records.size() == keys.size() * record_bytes_ && states.size() == keys.size());
  if (keys.empty()) {
    return absl::OkStatus();
  }
  Order(keys);
  constexpr size_t kBatchOverhead = 8;  // of an entry: kind, lengths
  rocksdb::WriteBatch batch(keys.size() *
                            (kBatchOverhead + ColdKey::kBytes + record_bytes_ + sizeof(uint32_t)));
  rocksdb::Status built;
  for (const Ordered& row : order_) {
    FRESHET_DCHECK(&row == order_.data() || (&row)[-1].hash != row.hash);
    const ColdKey key(number_, row.hash);
    // A row is put once between two deletes: what SingleDelete asks for.
    if (!to_delete_.empty() && to_delete_.contains(row.hash)) {
      Then(built, [&] { return batch.SingleDelete(key.slice()); });
    }
    const uint32_t generation = GenerationOf(states[row.position]);
    if (Mutant("ps_demotes_without_writing") && row.hash % 8 == 0) {
      continue;
    }
    const rocksdb::Slice name = key.slice();
    const std::array<rocksdb::Slice, 2> value = {
        rocksdb::Slice(
            reinterpret_cast<const char*>(&records[size_t{row.position} * record_bytes_]),
            record_bytes_),
        rocksdb::Slice(reinterpret_cast<const char*>(&generation), sizeof(generation))};
    Then(built, [&] {
      return batch.Put(rocksdb::SliceParts(&name, 1),
                       rocksdb::SliceParts(value.data(), static_cast<int>(value.size())));
    });
  }
  Then(built, [&] {
    return rocks_->db->Write(ColdRocks::WriteOptions(when_busy == WhenBusy::kWait), &batch);
  });
  FRESHET_RETURN_IF_ERROR(rocks_->ToStatus(built, "put cold rows"));
  const size_t limit = rocks_->options.marked_rows_per_table;
  for (const Ordered& row : order_) {
    if (states[row.position] == RowState::kDirty) {
      marks_.Add(row.hash, limit);
    } else if (states[row.position] == RowState::kInCut) {
      marks_in_cut_.Add(row.hash, limit);
    }
    if (!to_delete_.empty()) {
      to_delete_.erase(row.hash);
    }
  }
  rows_.fetch_add(keys.size(), std::memory_order_relaxed);
  Count(rocks_->counters->puts, keys.size());
  Count(rocks_->counters->bytes_put, records.size());
  DeleteRemembered();
  return absl::OkStatus();
}

Status ColdTable::LookUp(bool once, std::span<std::byte> records, std::span<RowState> states) {
  std::array<ColdKey, kLookUpAtOnce> keys;
  std::array<rocksdb::Slice, kLookUpAtOnce> slices;
  std::array<rocksdb::PinnableSlice, kLookUpAtOnce> values;
  std::array<rocksdb::Status, kLookUpAtOnce> statuses;
  std::array<uint32_t, kLookUpAtOnce> positions;
  uint64_t hits = 0;
  for (size_t next = 0; next < order_.size();) {
    size_t count = 0;
    for (; next < order_.size() && count < kLookUpAtOnce; ++next) {
      const Ordered& row = order_[next];
      states[row.position] = RowState::kNone;
      const bool repeated = once && next > 0 && order_[next - 1].hash == row.hash;
      if (repeated || (!to_delete_.empty() && to_delete_.contains(row.hash))) {
        continue;
      }
      keys[count] = ColdKey(number_, row.hash);
      slices[count] = keys[count].slice();
      positions[count] = row.position;
      values[count].Reset();
      ++count;
    }
    if (count == 0) {
      break;
    }
    rocks_->db->MultiGet(rocksdb::ReadOptions(),
                         rocks_->db->DefaultColumnFamily(),
                         count,
                         slices.data(),
                         values.data(),
                         statuses.data(),
                         /*sorted_input=*/true);
    for (size_t i = 0; i < count; ++i) {
      if (statuses[i].IsNotFound()) {
        continue;
      }
      FRESHET_RETURN_IF_ERROR(rocks_->ToStatus(statuses[i], "read a cold row"));
      const ColdValue value(values[i], record_bytes_);
      states[positions[i]] = StateOf(value.generation());
      if (!records.empty()) {
        std::memcpy(
            &records[size_t{positions[i]} * record_bytes_], value.record().data(), record_bytes_);
      }
      ++hits;
    }
  }
  Count(rocks_->counters->lookups, order_.size());
  Count(rocks_->counters->hits, hits);
  Count(rocks_->counters->bytes_read, hits * record_bytes_);
  return absl::OkStatus();
}

void ColdTable::RemoveFound(std::span<const RowState> states) {
  rocksdb::WriteBatch batch;
  rocksdb::Status status;
  uint64_t found = 0;
  for (const Ordered& row : order_) {
    if (states[row.position] != RowState::kNone) {
      Then(status, [&] { return batch.SingleDelete(ColdKey(number_, row.hash).slice()); });
      ++found;
    }
  }
  if (found == 0) {
    return;
  }
  Then(status, [&] { return rocks_->db->Write(ColdRocks::WriteOptions(/*wait=*/false), &batch); });
  rows_.fetch_sub(found, std::memory_order_relaxed);
  Count(rocks_->counters->takes, found);
  if (rocks_->ToStatus(status, "delete cold rows").ok()) {
    DeleteRemembered();
    return;
  }
  // The rows were read, so nothing is lost: the next writes say again what this one could not.
  for (const Ordered& row : order_) {
    if (states[row.position] != RowState::kNone) {
      to_delete_.insert(row.hash);
    }
  }
}

void ColdTable::DeleteRemembered() {
  while (!to_delete_.empty()) {
    rocksdb::WriteBatch batch;
    std::vector<uint64_t> some;
    for (const uint64_t hash : to_delete_) {
      some.push_back(hash);
      if (some.size() == kDeletesAtOnce) {
        break;
      }
    }
    std::sort(some.begin(), some.end());
    rocksdb::Status status;
    for (const uint64_t hash : some) {
      Then(status, [&] { return batch.SingleDelete(ColdKey(number_, hash).slice()); });
    }
    if (status.ok()) {
      status = rocks_->db->Write(ColdRocks::WriteOptions(/*wait=*/false), &batch);
    }
    if (!rocks_->ToStatus(status, "delete cold rows").ok()) {
      return;
    }
    for (const uint64_t hash : some) {
      to_delete_.erase(hash);
    }
  }
}

Status ColdTable::Take(std::span<const Key> keys,
                       std::span<std::byte> records,
                       std::span<RowState> states) {
  FRESHET_CHECK(records.size() == keys.size() * record_bytes_ && states.size() == keys.size());
  Order(keys);
  FRESHET_RETURN_IF_ERROR(LookUp(/*once=*/true, records, states));
  RemoveFound(states);
  return absl::OkStatus();
}

Status ColdTable::Get(std::span<const Key> keys,
                      std::span<std::byte> records,
                      std::span<RowState> states) {
  FRESHET_CHECK(records.size() == keys.size() * record_bytes_ && states.size() == keys.size());
  Order(keys);
  return LookUp(/*once=*/false, records, states);
}

Status ColdTable::Erase(std::span<const Key> keys, std::span<RowState> states) {
  FRESHET_CHECK(states.size() == keys.size());
  Order(keys);
  FRESHET_RETURN_IF_ERROR(LookUp(/*once=*/true, {}, states));
  RemoveFound(states);
  return absl::OkStatus();
}

StatusOr<std::optional<uint64_t>> ColdTable::Scan(uint64_t first,
                                                  uint64_t last,
                                                  size_t max_rows,
                                                  Visit visit) {
  const bool to_the_end = last == std::numeric_limits<uint64_t>::max();
  const ColdKey begin(number_, first);
  const ColdKey end = to_the_end ? ColdKey(number_ + 1, 0) : ColdKey(number_, last + 1);
  const rocksdb::Slice bound = end.slice();
  rocksdb::ReadOptions read;
  read.iterate_upper_bound = &bound;
  read.fill_cache = false;  // what is looked through once must not push out what is asked for
  const std::unique_ptr<rocksdb::Iterator> it(rocks_->db->NewIterator(read));
  size_t seen = 0;
  for (it->Seek(begin.slice()); it->Valid(); it->Next()) {
    const uint64_t hash = ColdKey::HashOf(it->key());
    if (seen++ == max_rows) {
      return std::optional(hash);
    }
    if (to_delete_.empty() || !to_delete_.contains(hash)) {
      const ColdValue value(it->value(), record_bytes_);
      visit(UnmixSplitMix64(hash), value.record(), StateOf(value.generation()));
    }
  }
  FRESHET_RETURN_IF_ERROR(rocks_->ToStatus(it->status(), "look through cold rows"));
  return std::optional<uint64_t>();
}

void ColdTable::Clear() {
  rocks_->Retire(number_);
  number_ = rocks_->next_table.fetch_add(1);
  rows_.store(0, std::memory_order_relaxed);
  generation_ = 1;
  committed_below_ = 1;
  cutting_ = false;
  marks_ = {};
  marks_of_cut_.reset();
  marks_in_cut_ = {};
  to_delete_ = {};
}

std::unique_ptr<ColdCut> ColdTable::BeginCut(bool full) {
  FRESHET_CHECK(!cutting_);
  const auto marks = std::make_shared<const Marks>(std::exchange(marks_, {}));
  ColdCut::Scope scope{.table = number_,
                       .record_bytes = record_bytes_,
                       .rows_at_most = rows(),
                       .from_generation = full ? 0 : committed_below_,
                       .marks = nullptr,
                       .gone = {to_delete_.begin(), to_delete_.end()}};
  if (!full && !marks->overflowed) {
    scope.rows_at_most = std::min<uint64_t>(rows(), marks->hashes.size());
    scope.marks = std::shared_ptr<const std::vector<uint64_t>>(marks, &marks->hashes);
  }
  marks_of_cut_ = marks;
  cutting_ = true;
  ++generation_;
  return std::make_unique<ColdCut>(rocks_, std::move(scope));
}

void ColdTable::EndCut(bool committed) {
  FRESHET_CHECK(cutting_);
  if (committed) {
    committed_below_ = generation_;
  } else {
    const size_t limit = rocks_->options.marked_rows_per_table;
    marks_.Append(*marks_of_cut_, limit);
    marks_.Append(marks_in_cut_, limit);
  }
  cutting_ = false;
  marks_of_cut_.reset();
  marks_in_cut_ = {};
}

std::optional<std::span<const uint64_t>> ColdTable::ChangedHashes() const {
  FRESHET_CHECK(!cutting_);
  if (marks_.overflowed) {
    return std::nullopt;
  }
  return marks_.hashes;
}

void ColdTable::MarkAllClean() {
  FRESHET_CHECK(!cutting_);
  committed_below_ = ++generation_;
  marks_ = {};
}

}  // namespace freshet::ps
