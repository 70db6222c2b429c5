#include "ps/shard.h"

#include <spdlog/logger.h>

#include <algorithm>
#include <utility>

#include "common/check.h"
#include "common/mutant.h"
#include "ps/log.h"

namespace freshet::ps {
namespace {

template <typename Tables>
auto FindByName(Tables& tables, const std::string& name) {
  return std::find_if(tables.begin(), tables.end(), [&](const auto& table) {
    return table != nullptr && table->name() == name;
  });
}

}  // namespace

void Shard::Clear(Epoch epoch, const Ownership& ownership) {
  EndCut(std::nullopt);
  clean_version_ = VersionId(0);
  ForgetTouched();
  evicted_before_ = CountEvicted();
  embeddings_.clear();
  dense_.clear();
  demoting_ = 0;
  budget_is_too_small_ = false;
  failed_ = absl::OkStatus();
  epoch_ = epoch;
  ownership_ = ownership;
}

VersionId Shard::Keep(Epoch epoch) {
  EndCut(std::nullopt);
  epoch_ = epoch;
  budget_is_too_small_ = false;
  ForgetTouched();
  return failed_.ok() ? clean_version_ : VersionId(0);
}

void Shard::ForgetTouched() {
  touched_ = {};
  touched_keys_ = 0;
}

Status Shard::Touch(const PartContents& part) {
  touched_.Add(part, [this](Key key) { return OwnsKey(key); });
  touched_keys_ = touched_.size();
  return CheckRoomForTouched(0);
}

Status Shard::TouchChanged() {
  uint64_t changed = 0;
  for (const auto& table : embeddings_) {
    const std::optional<uint64_t> of_table = table->ChangedAtMost();
    if (!of_table) {
      return ResourceExhausted(
          "embedding variable {}: more rows on disk have changed than are remembered by name",
          table->name());
    }
    changed += *of_table;
  }
  FRESHET_RETURN_IF_ERROR(CheckRoomForTouched(changed));
  for (const auto& table : embeddings_) {
    table->AddChanged(&touched_.of(table->name()));
  }
  touched_keys_ = touched_.size();
  return absl::OkStatus();
}

StatusOr<TouchedKeys> Shard::TakeAway(const proto::ModelSpec& model) {
  clean_version_ = VersionId(0);
  for (const auto& table : embeddings_) {
    FRESHET_RETURN_IF_ERROR(table->TakeAway(touched_.of(table->name())));
  }
  MakeDense(model);
  return std::exchange(touched_, {});
}

void Shard::LoadedAll(VersionId version) {
  ForgetTouched();
  clean_version_ = version;
}

Status Shard::CheckEpoch(Epoch epoch) const {
  if (epoch == epoch_ || (epoch < epoch_ && Mutant("ps_does_work_of_old_epochs"))) {
    return failed_;
  }
  return Aborted("epoch {} is over, {} began", epoch.value(), epoch_.value());
}

void Shard::Fail(const Status& why) {
  Log().error("epoch {} cannot go on: {}", epoch_.value(), MessageOf(why));
  failed_ = why;
  GiveUpCopy(why);
}

void Shard::Declare(const proto::ModelSpec& model) {
  FRESHET_CHECK(embeddings_.empty() && dense_.empty());
  const KeyShare share{.partitions = ownership_->partitions(),
                       .owned_partitions = ownership_->PartitionsOf(thread_)};
  for (const proto::EmbeddingVariable& variable : model.embedding_variables()) {
    embeddings_.push_back(std::make_unique<EmbeddingTable>(variable, share, storage_.store));
  }
  MakeDense(model);
}

void Shard::MakeDense(const proto::ModelSpec& model) {
  dense_.clear();
  for (int i = 0; i < model.dense_variables_size(); ++i) {
    const bool owned = thread_ == 0 && ownership_->OwnsDense(static_cast<uint32_t>(i));
    dense_.push_back(owned ? std::make_unique<DenseTable>(model.dense_variables(i)) : nullptr);
  }
}

Status Shard::Advance(const StreamClock& clock) {
  for (const auto& table : embeddings_) {
    FRESHET_RETURN_IF_ERROR(table->Advance(clock));
  }
  return absl::OkStatus();
}

bool Shard::OwnsKey(Key key) const {
  const PartitionId partition = ownership_->partitions().PartitionOf(key);
  return ownership_->OwnsPartition(partition) && ownership_->ThreadOf(partition) == thread_;
}

void Shard::Reserve(size_t rows) {
  // With a disk tier most rows do not stay in memory; with several variables nobody knows whose
  // rows they are.
  if (storage_.store == nullptr && embeddings_.size() == 1) {
    embeddings_.front()->Reserve(rows);
  }
}

Status Shard::Load(const PartContents& contents) {
  for (const EmbeddingRows& rows : contents.embeddings) {
    FRESHET_RETURN_IF_ERROR(LoadEmbedding(rows));
  }
  for (const DenseTensor& tensor : contents.dense) {
    FRESHET_RETURN_IF_ERROR(LoadDense(tensor));
  }
  return absl::OkStatus();
}

Status Shard::Blend(const PartContents& contents, float weight) {
  for (const EmbeddingRows& rows : contents.embeddings) {
    FRESHET_ASSIGN_OR_RETURN(EmbeddingTable* const table, TableOf(rows));
    FRESHET_RETURN_IF_ERROR(table->Blend(rows, OwnRows(rows), weight, [this]() -> Status {
      return DemoteTo(0, ColdTable::WhenBusy::kWait);
    }));
  }
  for (const DenseTensor& tensor : contents.dense) {
    const auto found = FindByName(dense_, tensor.variable);
    if (found != dense_.end()) {
      FRESHET_RETURN_IF_ERROR((*found)->Blend(tensor, weight));
    }
  }
  return absl::OkStatus();
}

StatusOr<EmbeddingTable*> Shard::TableOf(const EmbeddingRows& rows) {
  const auto found = FindByName(embeddings_, rows.variable);
  if (found == embeddings_.end()) {
    return DataLoss("embedding variable {} is in the part but not in the model", rows.variable);
  }
  EmbeddingTable& table = **found;
  if (rows.dim != table.dim() || rows.state_dim != table.state_dim()) {
    return DataLoss(
        "embedding variable {}: rows of {} floats and {} of state, the model says {} and {}",
        rows.variable,
        rows.dim,
        rows.state_dim,
        table.dim(),
        table.state_dim());
  }
  return &table;
}

std::vector<uint32_t> Shard::OwnRows(const EmbeddingRows& rows) const {
  std::vector<uint32_t> own;
  for (uint32_t i = 0; i < rows.keys.size(); ++i) {
    if (OwnsKey(rows.keys[i])) {
      own.push_back(i);
    }
  }
  return own;
}

Status Shard::LoadEmbedding(const EmbeddingRows& rows) {
  FRESHET_ASSIGN_OR_RETURN(EmbeddingTable* const table, TableOf(rows));
  std::vector<Key> tombstones;
  std::copy_if(
      rows.tombstones.begin(), rows.tombstones.end(), std::back_inserter(tombstones), [&](Key key) {
        return OwnsKey(key);
      });
  return table->Load(
      rows,
      OwnRows(rows),
      tombstones,
      [this](Key key) { return OwnsKey(key); },
      [this]() -> Status { return DemoteTo(0, ColdTable::WhenBusy::kWait); });
}

Status Shard::LoadDense(const DenseTensor& tensor) {
  const auto found = FindByName(dense_, tensor.variable);
  return found == dense_.end() ? absl::OkStatus() : (*found)->Load(tensor);
}

bool Shard::WorkBetween() {
  const bool over_budget = KeepBudget();
  return (take_piece_ ? CopySlice() : TidySlice()) || over_budget;
}

bool Shard::TidySlice() {
  for (const auto& table : embeddings_) {
    if (table->Tidy()) {
      return true;
    }
  }
  return false;
}

std::vector<proto::VariableStats> Shard::Stats() const {
  std::vector<proto::VariableStats> stats;
  for (const auto& table : embeddings_) {
    proto::VariableStats& of_table = stats.emplace_back();
    of_table.set_name(table->name());
    of_table.set_rows(table->rows());
    of_table.set_bytes(table->bytes());
  }
  return stats;
}

EvictedRows Shard::CountEvicted() const {
  EvictedRows evicted = evicted_before_;
  for (const auto& table : embeddings_) {
    evicted += table->evicted();
  }
  return evicted;
}

EvictedRows Shard::evicted() const {
  EvictedRows evicted;
  for (size_t reason = 0; reason < kEvictReasons; ++reason) {
    evicted.by_reason[reason] = published_evicted_[reason].load(std::memory_order_relaxed);
  }
  evicted.capacity = published_beyond_capacity_.load(std::memory_order_relaxed);
  return evicted;
}

void Shard::PublishSize() {
  uint64_t rows = 0;
  uint64_t bytes = 0;
  uint64_t cold_rows = 0;
  uint64_t candidates = 0;
  for (const auto& table : embeddings_) {
    rows += table->rows();
    cold_rows += table->cold_rows();
    bytes += table->bytes();
    candidates += table->candidates();
  }
  const EvictedRows evicted = CountEvicted();
  for (size_t reason = 0; reason < kEvictReasons; ++reason) {
    published_evicted_[reason].store(evicted.by_reason[reason], std::memory_order_relaxed);
  }
  published_beyond_capacity_.store(evicted.capacity, std::memory_order_relaxed);
  published_candidates_.store(candidates, std::memory_order_relaxed);
  for (const auto& table : dense_) {
    bytes += table == nullptr ? 0 : table->bytes();
  }
  published_cold_rows_.store(cold_rows, std::memory_order_relaxed);
  published_rows_.store(rows, std::memory_order_relaxed);
  published_bytes_.store(bytes, std::memory_order_relaxed);
}

}  // namespace freshet::ps
