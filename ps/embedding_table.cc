#include "ps/embedding_table.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <cstring>
#include <limits>

#include "common/check.h"
#include "common/model/feature_policy.h"
#include "ps/key_blocks.h"

namespace freshet::ps {
namespace {

constexpr size_t kBlock = RowIndex::kBlock;
constexpr size_t kKeyBits = 512;  // few enough to clear for each block
// Slots from which on it pays to look for memory to give back; and keys looked at in one step.
constexpr size_t kWorthTidying = 16384;
constexpr size_t kTidyRows = 1000;

size_t PositionOf(std::span<const uint32_t> positions, size_t i) {
  return positions.empty() ? i : positions[i];
}

}  // namespace

EmbeddingTable::EmbeddingTable(const proto::EmbeddingVariable& variable, const KeyShare& share)
    : name_(variable.name()),
      dim_(variable.dim()),
      value_type_(variable.value_type()),
      share_(share),
      initializer_(variable.initializers(), variable.seed(), variable.dim()),
      optimizer_(MakeOptimizer(variable.optimizer(), variable.dim())),
      codec_(value_type_, dim_, variable.seed()),
      rules_(variable),
      has_rules_(HasRules(variable.policy())),
      evicts_(Evicts(variable.policy())),
      rows_({.value_bytes = codec_.bytes(),
             .state_dim = optimizer_->state_dim(),
             .has_life = rules_.NeedsLife()}) {
  if (!codec_.is_float()) {
    scratch_.resize(dim_);
  }
  if (has_rules_) {
    admission_.emplace(rules_, share_.partitions);
  }
}

void EmbeddingTable::InitialValue(Key key, std::span<float> value) const {
  initializer_.Fill(key, value);
  codec_.RoundNearest(value);
}

void EmbeddingTable::Pull(std::span<const Key> keys,
                          std::span<const uint32_t> positions,
                          std::span<float> values,
                          uint32_t slot) const {
  const bool gated = rules_.Gates(slot);
  const float no_permission = rules_.policy().default_value_no_permission();
  ForEachBlock(
      index_,
      keys,
      [this](RowSlot row) { rows_.PrefetchValue(row); },
      [&](size_t begin, std::span<const Key> block, std::span<const RowSlot> slots) {
        for (size_t i = 0; i < block.size(); ++i) {
          const std::span<float> value =
              values.subspan(PositionOf(positions, begin + i) * dim_, dim_);
          if (slots[i] != kNoRow) {
            codec_.Read(rows_.value(slots[i]), value);
          } else if (gated) {
            std::fill(value.begin(), value.end(), no_permission);
          } else {
            InitialValue(block[i], value);
          }
        }
      });
}

inline void EmbeddingTable::TouchRow(Key key,
                                     RowSlot slot,
                                     KeyCount count,
                                     const PushContext& context) {
  if (changes_.IsPending(slot)) [[unlikely]] {
    Copy(key, slot);
  }
  MarkDirty(key, slot);
  RowMeta& meta = rows_.meta(slot);
  meta.frequency = AddFrequency(meta.frequency, count);
  meta.last_update = std::max(meta.last_update, context.event_time_s);
  if (rules_.NeedsLife()) {
    rules_.Touch(*rows_.life(slot), context.slot, count, context.step, context.event_time_s);
  }
}

void EmbeddingTable::Push(std::span<const Key> keys,
                          std::span<const uint32_t> positions,
                          std::span<const float> gradients,
                          const PushContext& context) {
  std::array<Key, kBlock> touched;
  std::array<RowSlot, kBlock> touched_slots;
  std::array<const float*, kBlock> touched_gradients;
  ForEachBlock(
      index_,
      keys,
      [this](RowSlot row) {
        rows_.PrefetchRow(row);
        changes_.Prefetch(row);
      },
      [&](size_t begin, std::span<const Key> block, std::span<const RowSlot> slots) {
        size_t count = 0;
        std::bitset<kKeyBits> made;  // by the last bits of their keys, rows made in this block
        for (size_t i = 0; i < block.size(); ++i) {
          const size_t position = PositionOf(positions, begin + i);
          const KeyCount seen = context.counts.empty() ? KeyCount() : context.counts[position];
          RowSlot slot = slots[i];
          if (slot != kNoRow) {
            TouchRow(block[i], slot, seen, context);
          } else {
            const size_t bit = block[i] % kKeyBits;
            slot = TouchNew(block[i], made[bit], seen, context);
            made[bit] = true;
          }
          if (slot != kNoRow) {
            touched[count] = block[i];
            touched_slots[count] = slot;
            touched_gradients[count++] = &gradients[position * dim_];
          }
        }
        // Only now: making a row may move the others.
        const auto applied = std::span(touched_slots).first(count);
        const auto with = std::span(touched_gradients).first(count);
        if (codec_.is_float()) {
          ApplyInPlace(applied, with, context.step);
        } else {
          ApplyRounded(std::span(touched).first(count), applied, with, context.step);
        }
      });
}

RowSlot EmbeddingTable::TouchNew(Key key,
                                 bool may_be_there,
                                 KeyCount count,
                                 const PushContext& context) {
  RowSlot found = may_be_there ? index_.Find(key) : kNoRow;
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

void EmbeddingTable::ApplyInPlace(std::span<const RowSlot> slots,
                                  std::span<const float* const> gradients,
                                  uint64_t step) {
  std::array<RowUpdate, kBlock> updates;
  for (size_t i = 0; i < slots.size(); ++i) {
    updates[i] = {.value = reinterpret_cast<float*>(rows_.value(slots[i])),
                  .state = rows_.state(slots[i]),
                  .gradient = gradients[i]};
  }
  optimizer_->Apply(std::span(updates).first(slots.size()), step);
}

// One after the other where a key comes twice: the second update begins with what the first stored.
void EmbeddingTable::ApplyRounded(std::span<const Key> keys,
                                  std::span<const RowSlot> slots,
                                  std::span<const float* const> gradients,
                                  uint64_t step) {
  for (size_t i = 0; i < slots.size(); ++i) {
    const std::span<float> value(scratch_.data(), dim_);
    codec_.Read(rows_.value(slots[i]), value);
    const RowUpdate update{
        .value = value.data(), .state = rows_.state(slots[i]), .gradient = gradients[i]};
    optimizer_->Apply({&update, 1}, step);
    codec_.WriteUpdate(value, keys[i], rows_.meta(slots[i]).frequency, rows_.value(slots[i]));
  }
}

uint64_t EmbeddingTable::Delete(std::span<const Key> keys) {
  uint64_t deleted = 0;
  for (const Key key : keys) {
    if (admission_) {
      admission_->Forget(key);
    }
    if (const RowSlot slot = index_.Find(key); slot != kNoRow) {
      DeleteRow(key, slot);
      ++deleted;
    }
  }
  return deleted;
}

RowSlot EmbeddingTable::MakeRow(Key key) {
  const RowSlot slot = rows_.Allocate();
  if (changes_.slots() != rows_.slots()) {
    changes_.Resize(rows_.slots());
  }
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
  index_.Insert(key, slot);
  return slot;
}

void EmbeddingTable::DeleteRow(Key key, RowSlot slot) {
  CopyIfPending(key, slot);
  changes_.MarkDeleted(slot, key);
  index_.Erase(key);
  rows_.Free(slot);
}

void EmbeddingTable::MarkDirty(Key key, RowSlot slot) {
  if (!changes_.IsDirty(slot)) {
    changes_.MarkDirty(slot);
    dirty_keys_.Add(key, rows_.rows());
  }
}

Status EmbeddingTable::Load(const EmbeddingRows& rows,
                            std::span<const uint32_t> picked,
                            std::span<const Key> tombstones,
                            absl::FunctionRef<bool(Key)> owns) {
  if (rows.lives.empty() == rules_.NeedsLife() && !rows.keys.empty()) {
    return DataLoss(
        "embedding variable {}: the part {} the columns of a feature's life, the model's "
        "policy {}",
        name_,
        rows.lives.empty() ? "lacks" : "has",
        rules_.NeedsLife() ? "needs them" : "has no use for them");
  }
  if (rows.value_type != value_type_) {
    return DataLoss("embedding variable {}: values are {}, the model says {}",
                    name_,
                    proto::ValueType_Name(rows.value_type),
                    proto::ValueType_Name(value_type_));
  }
  for (const Key key : tombstones) {
    if (const RowSlot slot = index_.Erase(key); slot != kNoRow) {
      rows_.Free(slot);
    }
  }
  for (const uint32_t i : picked) {
    const RowSlot found = index_.Find(rows.keys[i]);
    const RowSlot slot = found == kNoRow ? MakeRow(rows.keys[i]) : found;
    rows_.meta(slot) = {.frequency = rows.frequencies[i], .last_update = rows.last_updates[i]};
    if (rules_.NeedsLife()) {
      *rows_.life(slot) = rows.lives[i];
    }
    codec_.WriteNearest({&rows.values[size_t{i} * dim_], dim_}, rows_.value(slot));
    std::copy_n(rows.states.data() + size_t{i} * state_dim(), state_dim(), rows_.state(slot));
  }
  clock_.step = std::max(clock_.step, rows.clock.step);
  clock_.event_time_s = std::max(clock_.event_time_s, rows.clock.event_time_s);
  return admission_ ? admission_->Load(rows, owns) : absl::OkStatus();
}

// Every row is in memory.
void EmbeddingTable::Announce(std::span<const Key> /*keys*/) {}

bool EmbeddingTable::Tidy() {
  if (in_cut_) {
    return false;
  }
  if (!tidying_) {
    if (rows_.used() < kWorthTidying || rows_.used() < 2 * rows_.rows()) {
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
    rows_.Copy(from, to);
    changes_.Move(from, to);
    rows_.Free(from);
    index_.SetSlot(key, to);
  }
  if (tidy_walk_ == 0) {
    tidying_ = false;
    rows_.TakeTail();
    changes_.Resize(rows_.slots());
  }
  return tidying_;
}

}  // namespace freshet::ps
