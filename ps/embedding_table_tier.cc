// How rows go down to disk and come up again: ps/tier/cold_table.h has the protocol.
#include <algorithm>
#include <utility>
#include <vector>

#include "common/check.h"
#include "common/key.h"
#include "common/mutant.h"
#include "ps/embedding_table.h"
#include "ps/key_stream.h"

namespace freshet::ps {
namespace {

// Rows to one write.
constexpr size_t kDemoteRows = 1024;
// Rows to one look-up of those that a rewind takes away.
constexpr size_t kEraseRows = 4096;
// Rows to one look at a range of hashes.
constexpr size_t kScanRows = 4096;

}  // namespace

Status EmbeddingTable::BringUp(std::span<const Key> keys) {
  const size_t bytes = format_->record_bytes();
  records_.resize(keys.size() * bytes);
  states_.resize(keys.size());
  FRESHET_RETURN_IF_ERROR(cold_->Take(keys, records_, states_));
  for (size_t i = 0; i < keys.size(); ++i) {
    if (states_[i] == RowState::kNone) {
      continue;
    }
    const RowSlot slot = MakeSlot(keys[i]);
    rows_.Set(slot, format_->PartsOf(&records_[i * bytes]));
    if (states_[i] == RowState::kDirty) {
      MarkDirty(keys[i], slot);
    } else if (states_[i] == RowState::kInCut) {
      changes_.MarkInCut(slot);
    }
  }
  return absl::OkStatus();
}

Status EmbeddingTable::Announce(std::span<const Key> keys) {
  if (!has_cold()) {
    return absl::OkStatus();
  }
  missing_.Clear();
  ForEachKey(
      index_,
      keys,
      [](RowSlot) {},
      [&](size_t i, RowSlot slot) {
        if (slot == kNoRow) {
          missing_.keys.push_back(keys[i]);
        } else {
          referenced_.Set(slot);
        }
      });
  return missing_.keys.empty() ? absl::OkStatus() : BringUp(missing_.keys);
}

StatusOr<EmbeddingTable::Demotion> EmbeddingTable::Demote(size_t max_rows,
                                                          ColdTable::WhenBusy when_busy) {
  FRESHET_CHECK(cold_ != nullptr);
  Demotion demotion;
  std::vector<std::pair<Key, RowSlot>> victims;
  const uint64_t from = hand_;
  const uint64_t next = index_.Walk(from, max_rows, [&](Key key, RowSlot slot) {
    if (referenced_.Test(slot)) {
      referenced_.Clear(slot);
    } else {
      victims.emplace_back(key, slot);
    }
  });
  for (std::span<const std::pair<Key, RowSlot>> left = victims; !left.empty();) {
    const auto some = left.first(std::min(left.size(), kDemoteRows));
    left = left.subspan(some.size());
    FRESHET_RETURN_IF_ERROR(PutCold(some, when_busy));
    demotion.rows += some.size();
  }
  hand_ = next;
  demotion.wrapped = next == 0;
  return demotion;
}

Status EmbeddingTable::PutCold(std::span<const std::pair<Key, RowSlot>> victims,
                               ColdTable::WhenBusy when_busy) {
  const size_t bytes = format_->record_bytes();
  std::vector<Key> keys;
  std::vector<RowState> states;
  keys.reserve(victims.size());
  states.reserve(victims.size());
  records_.resize(victims.size() * bytes);
  for (const auto& [key, slot] : victims) {
    CopyIfPending(key, slot);
    format_->WriteRecord(rows_.parts(slot), &records_[keys.size() * bytes]);
    keys.push_back(key);
    states.push_back(changes_.IsDirty(slot)   ? RowState::kDirty
                     : changes_.IsInCut(slot) ? RowState::kInCut
                                              : RowState::kClean);
  }
  FRESHET_RETURN_IF_ERROR(cold_->Put(keys, records_, states, when_busy));
  for (const auto& [key, slot] : victims) {
    FreeSlot(key, slot);
  }
  return absl::OkStatus();
}

Status EmbeddingTable::EraseUnmarked(std::span<const Key> keys) {
  if (!has_cold() || keys.empty()) {
    return absl::OkStatus();
  }
  states_.resize(keys.size());
  return cold_->Erase(keys, states_);
}

StatusOr<uint64_t> EmbeddingTable::EraseCold(std::span<const Key> keys) {
  if (!has_cold() || keys.empty()) {
    return 0;
  }
  FRESHET_RETURN_IF_ERROR(EraseUnmarked(keys));
  uint64_t erased = 0;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (states_[i] != RowState::kNone) {
      changes_.MarkDeleted(keys[i]);
      ++erased;
    }
  }
  return erased;
}

void EmbeddingTable::AddChangedCold(TouchedKeys::Keys* keys) const {
  const auto hashes = cold_->ChangedHashes();
  FRESHET_CHECK(hashes.has_value());
  for (const uint64_t hash : *hashes) {
    if (Mutant("ps_rewinds_too_little_on_disk") && hash % 16 == 0) {
      continue;
    }
    keys->insert(UnmixSplitMix64(hash));
  }
}

// In the order in which rows lie on disk, so that each file is gone through once, and in blocks, so
// that one write stays small.
Status EmbeddingTable::TakeAwayCold(std::vector<Key> keys) {
  if (!cold_) {
    return absl::OkStatus();
  }
  std::sort(keys.begin(), keys.end(), [](Key a, Key b) { return SplitMix64(a) < SplitMix64(b); });
  for (std::span<const Key> left = keys; !left.empty();) {
    const auto some = left.first(std::min(left.size(), kEraseRows));
    left = left.subspan(some.size());
    FRESHET_RETURN_IF_ERROR(EraseUnmarked(some));
  }
  cold_->MarkAllClean();
  return absl::OkStatus();
}

Status EmbeddingTable::ForEachRow(const HashRange& range,
                                  absl::FunctionRef<void(Key key, const RowParts& row)> visit) {
  index_.ForEach(range.begin, range.end_inclusive, [&](Key key, RowSlot slot) {
    visit(key, rows_.parts(slot));
  });
  if (!has_cold()) {
    return absl::OkStatus();
  }
  records_.resize(format_->record_bytes());  // a copy that is aligned
  std::optional<uint64_t> next = range.begin;
  while (next) {
    FRESHET_ASSIGN_OR_RETURN(
        next,
        cold_->Scan(*next,
                    range.end_inclusive,
                    kScanRows,
                    [&](Key key, std::span<const std::byte> record, RowState /*state*/) {
                      std::copy(record.begin(), record.end(), records_.begin());
                      visit(key, format_->PartsOf(records_.data()));
                    }));
  }
  return absl::OkStatus();
}

}  // namespace freshet::ps
