// How a shard keeps its memory within its budget, where rows lie on disk too.
#include <fmt/format.h>
#include <spdlog/logger.h>

#include <algorithm>

#include "ps/log.h"
#include "ps/shard.h"

namespace freshet::ps {
namespace {

// A little over its budget a shard brings rows down in small slices, between requests. When it is
// further over than this part of the budget, requests wait.
constexpr uint64_t kGracePart = 32;
// Rows that the clock looks at in one slice.
constexpr size_t kDemoteRows = 4096;
// The keys that a rewind loads again may take this part of the budget, in place of rows.
constexpr uint64_t kTouchedPart = 4;
// Each of them: in a hash set that has just grown, and while those of all threads come together.
constexpr uint64_t kTouchedKeyBytes = 32;

}  // namespace

uint64_t Shard::BytesOverBudget() const {
  if (storage_.store == nullptr) {
    return 0;
  }
  uint64_t bytes = touched_keys_ * kTouchedKeyBytes;
  for (const auto& table : embeddings_) {
    bytes += table->bytes_in_use();
  }
  for (const auto& table : dense_) {
    bytes += table == nullptr ? 0 : table->bytes();
  }
  return bytes - std::min(bytes, storage_.hot_bytes);
}

Status Shard::CheckRoomForTouched(uint64_t more) const {
  const uint64_t keys = touched_keys_ + more;
  const uint64_t most = storage_.hot_bytes / kTouchedPart / kTouchedKeyBytes;
  return storage_.store == nullptr || keys <= most
             ? absl::OkStatus()
             : ResourceExhausted(
                   "{} rows may differ, and memory has room for the keys of {}", keys, most);
}

bool Shard::HasHotRows() const {
  return std::any_of(embeddings_.begin(), embeddings_.end(), [](const auto& table) {
    return table->rows() > table->cold_rows();
  });
}

// Where the clock of all tables has come to.
Status Shard::DemoteSlice(uint64_t over, ColdTable::WhenBusy when_busy) {
  EmbeddingTable& table = *embeddings_[demoting_ % embeddings_.size()];
  const size_t rows = over / table.bytes_per_row() + 1;
  FRESHET_ASSIGN_OR_RETURN(const EmbeddingTable::Demotion demotion,
                           table.Demote(std::min(rows, kDemoteRows), when_busy));
  demoting_ += demotion.wrapped ? 1 : 0;
  return absl::OkStatus();
}

Status Shard::DemoteTo(uint64_t allowed, ColdTable::WhenBusy when_busy) {
  for (uint64_t over = BytesOverBudget(); over > allowed && HasHotRows();
       over = BytesOverBudget()) {
    FRESHET_RETURN_IF_ERROR(DemoteSlice(over, when_busy));
  }
  return absl::OkStatus();
}

bool Shard::KeepBudget() {
  const uint64_t over = BytesOverBudget();
  if (over == 0 || !failed_.ok()) {
    return false;
  }
  if (!HasHotRows()) {
    if (!budget_is_too_small_) {
      Log().warn("dram_bytes is too small: {} bytes over with no row in memory", over);
    }
    budget_is_too_small_ = true;
    return false;
  }
  const uint64_t grace = storage_.hot_bytes / kGracePart;
  const Status status = over > grace ? DemoteTo(grace, ColdTable::WhenBusy::kWait)
                                     : DemoteSlice(over, ColdTable::WhenBusy::kFail);
  const bool full = absl::IsResourceExhausted(status);
  if (full != disk_is_full_) {
    disk_is_full_ = full;
    Log().warn("{}",
               full ? fmt::format("rows stay in memory, which grows beyond its budget: {}",
                                  MessageOf(status))
                    : "rows go down to disk again");
  }
  if (!status.ok() && !full && !absl::IsUnavailable(status)) {
    Fail(status);
  }
  return status.ok() && BytesOverBudget() > 0;
}

}  // namespace freshet::ps
