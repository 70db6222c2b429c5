#include "ps/embedding_table.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "common/check.h"
#include "common/copy_floats.h"
#include "common/model/feature_policy.h"
#include "common/mutant.h"
#include "ps/key_stream.h"
#include "ps/mix.h"

namespace freshet::ps {
namespace {

constexpr size_t kApplyRows = 16;  // rows changed in one go
// Slots from which on it pays to look for memory to give back; and keys looked at in one step.
constexpr size_t kWorthTidying = 16384;
constexpr size_t kTidyRows = 1000;
// Rows of a part to be loaded in one go.
constexpr size_t kLoadRows = 4096;

size_t PositionOf(std::span<const uint32_t> positions, size_t i) {
  return positions.empty() ? i : positions[i];
}

}  // namespace

EmbeddingTable::EmbeddingTable(const proto::EmbeddingVariable& variable,
                               const KeyShare& share,
                               ColdStore* store)
    : optimizer_(MakeOptimizer(variable.optimizer(), variable.dim())),
      format_(std::make_shared<const RowFormat>(variable, optimizer_->state_dim())),
      dim_(variable.dim()),
      codec_(format_->codec()),
      rules_(format_->rules()),
      share_(share),
      initializer_(variable.initializers(), variable.seed(), variable.dim()),
      has_rules_(HasRules(variable.policy())),
      evicts_(Evicts(variable.policy())),
      rows_(format_->shape()) {
  if (!codec_.is_float()) {
    scratch_.resize(dim_);
  }
  if (has_rules_) {
    admission_.emplace(rules_, share_.partitions);
  }
  if (store != nullptr) {
    cold_ = store->MakeTable(format_->record_bytes());
  }
}

void EmbeddingTable::InitialValue(Key key, std::span<float> value) const {
  initializer_.Fill(key, value);
  codec_.RoundNearest(value);
}

Status EmbeddingTable::Pull(std::span<const Key> keys,
                            std::span<const uint32_t> positions,
                            std::span<float> values,
                            uint32_t slot) {
  missing_.Clear();
  PullHot(keys, positions, values, slot, has_cold() ? &missing_ : nullptr);
  if (!missing_.keys.empty()) {
    FRESHET_RETURN_IF_ERROR(BringUp(missing_.keys));
    PullHot(missing_.keys, missing_.positions, values, slot, nullptr);
  }
  return absl::OkStatus();
}

void EmbeddingTable::PullHot(std::span<const Key> keys,
                             std::span<const uint32_t> positions,
                             std::span<float> values,
                             uint32_t slot,
                             Missing* missing) {
  const bool gated = rules_.Gates(slot);
  const float no_permission = rules_.policy().default_value_no_permission();
  ForEachKey(
      index_,
      keys,
      [this](RowSlot row) { rows_.PrefetchValue(row); },
      [&](size_t i, RowSlot row) FRESHET_INLINE_LAMBDA {
        const size_t position = PositionOf(positions, i);
        const std::span<float> value = values.subspan(position * dim_, dim_);
        if (row != kNoRow) [[likely]] {
          codec_.Read(rows_.value(row), value);
          if (cold_) {
            referenced_.Set(row);
          }
        } else if (missing != nullptr) {
          missing->Add(keys[i], position);
        } else if (gated) {
          std::fill(value.begin(), value.end(), no_permission);
        } else {
          InitialValue(keys[i], value);
        }
      });
}

FRESHET_INLINE void EmbeddingTable::TouchRow(Key key,
                                             RowSlot slot,
                                             KeyCount count,
                                             const PushContext& context) {
  if (changes_.IsPending(slot)) [[unlikely]] {
    CopyIfPending(key, slot);
  }
  if (!changes_.IsDirty(slot)) {
    MarkDirty(key, slot);
  }
  if (cold_) {
    referenced_.Set(slot);
  }
  RowMeta& meta = rows_.meta(slot);
  meta.frequency = AddFrequency(meta.frequency, count);
  meta.last_update = std::max(meta.last_update, context.event_time_s);
  if (rules_.NeedsLife()) {
    rules_.Touch(*rows_.life(slot), context.slot, count, context.step, context.event_time_s);
  }
}

// What is not hot waits until the rest is done: so cold rows come up in one go. Among the keys that
// wait the order stays, and admission, which may depend on it, counts no others.
Status EmbeddingTable::Push(std::span<const Key> keys,
                            std::span<const uint32_t> positions,
                            std::span<const float> gradients,
                            const PushContext& context) {
  missing_.Clear();
  PushHot(keys, positions, gradients, context, has_cold() ? &missing_ : nullptr);
  if (!missing_.keys.empty()) {
    FRESHET_RETURN_IF_ERROR(BringUp(missing_.keys));
    PushHot(missing_.keys, missing_.positions, gradients, context, nullptr);
  }
  return absl::OkStatus();
}

void EmbeddingTable::PushHot(std::span<const Key> keys,
                             std::span<const uint32_t> positions,
                             std::span<const float> gradients,
                             const PushContext& context,
                             Missing* missing) {
  // Changed in one go: a call of the optimizer for each row would cost as much again.
  std::array<RowUpdate, kApplyRows> updates;
  size_t count = 0;
  const auto apply = [&] {
    optimizer_->Apply(std::span(updates).first(count), context.step);
    count = 0;
  };
  const bool in_place = codec_.is_float();
  ForEachKey(
      index_,
      keys,
      [this](RowSlot row) {
        rows_.PrefetchRow(row);
        changes_.Prefetch(row);
      },
      [&](size_t i, RowSlot slot) FRESHET_INLINE_LAMBDA {
        const size_t position = PositionOf(positions, i);
        const KeyCount seen = context.counts.empty() ? KeyCount() : context.counts[position];
        if (slot != kNoRow) [[likely]] {
          TouchRow(keys[i], slot, seen, context);
        } else if (missing != nullptr) {
          missing->Add(keys[i], position);
          return;
        } else {
          apply();  // making a row may move the others
          slot = TouchNew(keys[i], seen, context);
          if (slot == kNoRow) {
            return;
          }
        }
        const float* const gradient = &gradients[position * dim_];
        if (!in_place) {
          ApplyRounded(keys[i], slot, gradient, context.step);
          return;
        }
        updates[count] = {.value = reinterpret_cast<float*>(rows_.value(slot)),
                          .state = rows_.state(slot),
                          .gradient = gradient};
        if (++count == kApplyRows) {
          apply();
        }
      });
  apply();
}

RowSlot EmbeddingTable::TouchNew(Key key, KeyCount count, const PushContext& context) {
  RowSlot found = index_.Find(key);
  if (found == kNoRow && rules_.Gates(context.slot)) {
    Seen seen;
    if (!admission_->Touch(key, context.slot, count, context.step, context.event_time_s, &seen)) {
      return kNoRow;
    }
    found = MakeRow(key);
    MarkDirty(key, found);
    rows_.meta(found) = {.frequency = seen.frequency, .last_update = seen.last_update};
    if (rules_.NeedsLife()) {
      *rows_.life(found) = seen.life;
    }
    return found;
  }
  if (found == kNoRow) {
    found = MakeRow(key);
  }
  TouchRow(key, found, count, context);
  return found;
}

void EmbeddingTable::ApplyRounded(Key key, RowSlot slot, const float* gradient, uint64_t step) {
  const std::span<float> value(scratch_.data(), dim_);
  codec_.Read(rows_.value(slot), value);
  const RowUpdate update{.value = value.data(), .state = rows_.state(slot), .gradient = gradient};
  optimizer_->Apply({&update, 1}, step);
  codec_.WriteUpdate(value, key, rows_.meta(slot).frequency, rows_.value(slot));
}

StatusOr<uint64_t> EmbeddingTable::Delete(std::span<const Key> keys) {
  uint64_t deleted = 0;
  std::vector<Key> not_hot;
  for (const Key key : keys) {
    if (admission_) {
      admission_->Forget(key);
    }
    if (const RowSlot slot = index_.Find(key); slot != kNoRow) {
      DeleteRow(key, slot);
      ++deleted;
    } else {
      not_hot.push_back(key);
    }
  }
  FRESHET_ASSIGN_OR_RETURN(const uint64_t cold, EraseCold(not_hot));
  return deleted + cold;
}

RowSlot EmbeddingTable::MakeSlot(Key key) {
  const RowSlot slot = rows_.Allocate();
  if (changes_.slots() != rows_.slots()) {
    changes_.Resize(rows_.slots());
    if (cold_) {
      referenced_.Resize(rows_.slots());
    }
  }
  if (cold_) {
    referenced_.Set(slot);
  }
  index_.Insert(key, slot);
  return slot;
}

RowSlot EmbeddingTable::MakeRow(Key key) {
  const RowSlot slot = MakeSlot(key);
  rows_.meta(slot) = {};
  if (rules_.NeedsLife()) {
    *rows_.life(slot) = {};
  }
  if (codec_.is_float()) {
    auto* const value = reinterpret_cast<float*>(rows_.value(slot));
    InitialValue(key, {value, dim_});
    optimizer_->InitState(value, rows_.state(slot));
  } else {
    const std::span<float> value(scratch_.data(), dim_);
    InitialValue(key, value);
    codec_.WriteNearest(value, rows_.value(slot));
    optimizer_->InitState(value.data(), rows_.state(slot));
  }
  return slot;
}

void EmbeddingTable::FreeSlot(Key key, RowSlot slot) {
  changes_.MarkFree(slot);
  index_.Erase(key);
  rows_.Free(slot);
}

void EmbeddingTable::DeleteRow(Key key, RowSlot slot) {
  CopyIfPending(key, slot);
  FreeSlot(key, slot);
  changes_.MarkDeleted(key);
}

void EmbeddingTable::MarkDirty(Key key, RowSlot slot) {
  if (Mutant("ps_forgets_a_change") && key % 16 == 0) {
    return;
  }
  if (!changes_.IsDirty(slot)) {
    changes_.MarkDirty(slot);
    dirty_keys_.Add(key, rows_.rows());
  }
}

Status EmbeddingTable::CheckColumns(const EmbeddingRows& rows) const {
  if (rows.lives.empty() == rules_.NeedsLife() && !rows.keys.empty()) {
    return DataLoss(
        "embedding variable {}: the part {} the columns of a feature's life, the model's "
        "policy {}",
        name(),
        rows.lives.empty() ? "lacks" : "has",
        rules_.NeedsLife() ? "needs them" : "has no use for them");
  }
  if (rows.value_type != format_->value_type()) {
    return DataLoss("embedding variable {}: values are {}, the model says {}",
                    name(),
                    proto::ValueType_Name(rows.value_type),
                    proto::ValueType_Name(format_->value_type()));
  }
  return absl::OkStatus();
}

Status EmbeddingTable::Load(const EmbeddingRows& rows,
                            std::span<const uint32_t> picked,
                            std::span<const Key> tombstones,
                            absl::FunctionRef<bool(Key)> owns,
                            absl::FunctionRef<Status()> make_room) {
  FRESHET_RETURN_IF_ERROR(CheckColumns(rows));
  for (const Key key : tombstones) {
    if (const RowSlot slot = index_.Erase(key); slot != kNoRow) {
      rows_.Free(slot);
    }
  }
  FRESHET_RETURN_IF_ERROR(EraseUnmarked(tombstones));
  while (!picked.empty()) {
    const auto block = picked.first(std::min(picked.size(), kLoadRows));
    picked = picked.subspan(block.size());
    std::vector<Key> keys(block.size());
    std::transform(
        block.begin(), block.end(), keys.begin(), [&](uint32_t i) { return rows.keys[i]; });
    if (has_cold()) {
      FRESHET_RETURN_IF_ERROR(EraseUnmarked(keys));
    }
    ForEachKey(
        index_,
        keys,
        [this](RowSlot slot) { rows_.PrefetchRow(slot); },
        [&](size_t i, RowSlot slot) {
          // Looked for again: a file that has a key twice must not make two rows of it.
          const RowSlot found = slot == kNoRow ? index_.Find(keys[i]) : slot;
          SetRow(rows, block[i], found == kNoRow ? MakeSlot(keys[i]) : found);
        });
    FRESHET_RETURN_IF_ERROR(make_room());
  }
  clock_.step = std::max(clock_.step, rows.clock.step);
  clock_.event_time_s = std::max(clock_.event_time_s, rows.clock.event_time_s);
  return admission_ ? admission_->Load(rows, owns) : absl::OkStatus();
}

std::optional<uint64_t> EmbeddingTable::ChangedAtMost() const {
  FRESHET_CHECK(!in_cut_);
  const uint64_t hot = changes_.dirty() + changes_.deleted().size();
  if (!cold_) {
    return hot;
  }
  const auto cold = cold_->ChangedHashes();
  return cold ? std::optional(hot + cold->size()) : std::nullopt;
}

void EmbeddingTable::AddChanged(TouchedKeys::Keys* keys) const {
  FRESHET_CHECK(!in_cut_);
  index_.ForEach(0, UINT64_MAX, [&](Key key, RowSlot slot) {
    if (changes_.IsDirty(slot) && !(Mutant("ps_rewinds_too_little") && key % 16 == 0)) {
      keys->insert(key);
    }
  });
  keys->insert(changes_.deleted().begin(), changes_.deleted().end());
  if (cold_) {
    AddChangedCold(keys);
  }
}

Status EmbeddingTable::TakeAway(const TouchedKeys::Keys& keys) {
  std::vector<Key> not_hot;
  for (const Key key : keys) {
    if (const RowSlot slot = index_.Find(key); slot != kNoRow) {
      FreeSlot(key, slot);
    } else if (has_cold()) {
      not_hot.push_back(key);
    }
  }
  FRESHET_RETURN_IF_ERROR(TakeAwayCold(std::move(not_hot)));
  changes_.ForgetDeleted();
  dirty_keys_ = {};
  clock_ = {};
  if (has_rules_) {
    admission_.emplace(rules_, share_.partitions);
  }
  return absl::OkStatus();
}

Status EmbeddingTable::Blend(const EmbeddingRows& rows,
                             std::span<const uint32_t> picked,
                             float weight,
                             absl::FunctionRef<Status()> make_room) {
  FRESHET_RETURN_IF_ERROR(CheckColumns(rows));
  while (!picked.empty()) {
    const auto block = picked.first(std::min(picked.size(), kLoadRows));
    picked = picked.subspan(block.size());
    if (has_cold()) {
      std::vector<Key> keys(block.size());
      std::transform(
          block.begin(), block.end(), keys.begin(), [&](uint32_t i) { return rows.keys[i]; });
      FRESHET_RETURN_IF_ERROR(BringUp(keys));
    }
    for (const uint32_t row : block) {
      if (const RowSlot slot = index_.Find(rows.keys[row]); slot != kNoRow) {
        MixRow(rows, row, weight, slot);
      } else {
        SetRow(rows, row, MakeSlot(rows.keys[row]));
      }
    }
    FRESHET_RETURN_IF_ERROR(make_room());
  }
  return absl::OkStatus();
}

void EmbeddingTable::MixRow(const EmbeddingRows& rows, uint32_t row, float weight, RowSlot slot) {
  scratch_.resize(dim_);
  codec_.Read(rows_.value(slot), scratch_);
  for (uint32_t i = 0; i < dim_; ++i) {
    scratch_[i] = Mix(scratch_[i], rows.values[size_t{row} * dim_ + i], weight);
  }
  codec_.WriteNearest(scratch_, rows_.value(slot));
}

void EmbeddingTable::SetRow(const EmbeddingRows& rows, uint32_t row, RowSlot slot) {
  if (cold_) {
    referenced_.Clear(slot);
  }
  rows_.meta(slot) = {.frequency = rows.frequencies[row], .last_update = rows.last_updates[row]};
  if (rules_.NeedsLife()) {
    *rows_.life(slot) = rows.lives[row];
  }
  codec_.WriteNearest({&rows.values[size_t{row} * dim_], dim_}, rows_.value(slot));
  const uint32_t width = state_dim();
  CopyFloats(rows.states.data() + size_t{row} * width, width, rows_.state(slot));
}

bool EmbeddingTable::Tidy() {
  if (in_cut_) {
    return false;
  }
  if (!tidying_) {
    // With a budget to keep, much sooner.
    const size_t free = rows_.used() - rows_.rows();
    if (free < std::max(kWorthTidying, cold_ ? rows_.rows() / 16 : rows_.rows())) {
      return false;
    }
    tidying_ = true;
    tidy_walk_ = 0;
    tidy_end_ = static_cast<RowSlot>(rows_.rows());
  }
  std::vector<std::pair<Key, RowSlot>> high;
  tidy_walk_ = index_.Walk(tidy_walk_, kTidyRows, [&](Key key, RowSlot slot) {
    if (slot >= tidy_end_) {
      high.emplace_back(key, slot);
    }
  });
  for (const auto& [key, from] : high) {
    // The lowest that is free. Rows made meanwhile may have taken those before the end.
    const RowSlot to = rows_.Allocate();
    if (to > from) {
      rows_.Free(to);
      continue;
    }
    rows_.Set(to, rows_.parts(from));
    changes_.Move(from, to);
    if (cold_ && referenced_.Test(from)) {
      referenced_.Set(to);
    }
    rows_.Free(from);
    index_.SetSlot(key, to);
  }
  if (tidy_walk_ == 0) {
    tidying_ = false;
    rows_.TakeTail();
    changes_.Resize(rows_.slots());
    if (cold_) {
      referenced_.Resize(rows_.slots());
    }
  }
  return tidying_;
}

}  // namespace freshet::ps
