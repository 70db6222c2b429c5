#include "ps/embedding_table.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <utility>

#include "common/check.h"

namespace freshet::ps {
namespace {

// Calls block(begin, keys of the block) for one block of keys after the other.
template <typename Block>
void ForEachBlock(std::span<const Key> keys, Block block) {
  for (size_t begin = 0; begin < keys.size(); begin += RowIndex::kMaxBatch) {
    block(begin, keys.subspan(begin, std::min(RowIndex::kMaxBatch, keys.size() - begin)));
  }
}

size_t PositionOf(std::span<const uint32_t> positions, size_t i) {
  return positions.empty() ? i : positions[i];
}

template <typename T>
void AppendTo(std::vector<T>& column, const T* from, size_t count) {
  column.insert(column.end(), from, from + count);
}

}  // namespace

EmbeddingTable::EmbeddingTable(const proto::EmbeddingVariable& variable)
    : name_(variable.name()),
      dim_(variable.dim()),
      initializer_(variable.initializers(), variable.seed(), variable.dim()),
      optimizer_(MakeOptimizer(variable.optimizer(), variable.dim())),
      rows_(dim_ + optimizer_->state_dim()) {}

void EmbeddingTable::Pull(std::span<const Key> keys,
                          std::span<const uint32_t> positions,
                          std::span<float> values,
                          uint32_t /*slot*/) const {
  std::array<RowSlot, RowIndex::kMaxBatch> slots;
  ForEachBlock(keys, [&](size_t begin, std::span<const Key> block) {
    index_.Find(rows_, block, std::span(slots).first(block.size()));
    for (size_t i = 0; i < block.size(); ++i) {
      const std::span<float> value = values.subspan(PositionOf(positions, begin + i) * dim_, dim_);
      if (slots[i] == kNoRow) {
        initializer_.Fill(block[i], value);
      } else {
        std::memcpy(value.data(), rows_.floats(slots[i]), value.size_bytes());
      }
    }
  });
}

void EmbeddingTable::Push(std::span<const Key> keys,
                          std::span<const uint32_t> positions,
                          std::span<const float> gradients,
                          const PushContext& context) {
  std::array<RowSlot, RowIndex::kMaxBatch> slots;
  std::array<RowUpdate, RowIndex::kMaxBatch> updates;
  ForEachBlock(keys, [&](size_t begin, std::span<const Key> block) {
    index_.Find(rows_, block, std::span(slots).first(block.size()));
    for (size_t i = 0; i < block.size(); ++i) {
      const RowSlot slot = slots[i] == kNoRow ? MakeRow(block[i]) : slots[i];
      CopyIfPending(slot);
      changes_.MarkDirty(slot);
      RowHead& head = rows_.head(slot);
      head.frequency += head.frequency == std::numeric_limits<uint32_t>::max() ? 0 : 1;
      head.last_update = std::max(head.last_update, context.event_time_s);
      updates[i] = {.value = rows_.floats(slot),
                    .state = rows_.floats(slot) + dim_,
                    .gradient = &gradients[PositionOf(positions, begin + i) * dim_]};
    }
    optimizer_->Apply(std::span(updates).first(block.size()), context.step);
  });
}

// No rule of a table depends on the clock.
void EmbeddingTable::Advance(const StreamClock& /*clock*/) {}

// Every row is in memory.
void EmbeddingTable::Announce(std::span<const Key> /*keys*/) {}

uint64_t EmbeddingTable::Delete(std::span<const Key> keys) {
  uint64_t deleted = 0;
  for (const Key key : keys) {
    const RowSlot slot = index_.Find(rows_, key);
    if (slot != kNoRow) {
      CopyIfPending(slot);
      changes_.MarkDeleted(slot, key);
      DeleteRow(slot);
      ++deleted;
    }
  }
  return deleted;
}

// The key may have got its row since it was looked up, if it comes twice in a block.
RowSlot EmbeddingTable::MakeRow(Key key) {
  if (const RowSlot found = index_.Find(rows_, key); found != kNoRow) {
    return found;
  }
  const RowSlot slot = rows_.Allocate();
  changes_.Resize(rows_.slots());
  rows_.head(slot) = {.key = key};
  float* const value = rows_.floats(slot);
  initializer_.Fill(key, {value, dim_});
  optimizer_->InitState(value, value + dim_);
  index_.Insert(rows_, key, slot);
  return slot;
}

void EmbeddingTable::DeleteRow(RowSlot slot) {
  index_.Erase(rows_, rows_.head(slot).key);
  rows_.Free(slot);
}

CutSize EmbeddingTable::BeginCut(bool full) {
  changes_.Flip(full, rows_.live());
  const CutSize size{.rows = changes_.pending(), .tombstones = changes_.tombstones().size()};
  copy_cursor_ = 0;
  copied_.clear();
  cut_ = {};
  cut_.variable = name_;
  cut_.dim = dim_;
  cut_.state_dim = state_dim();
  copied_.reserve(size.rows);
  cut_.keys.reserve(size.rows);
  cut_.values.reserve(size.rows * dim_);
  cut_.states.reserve(size.rows * cut_.state_dim);
  cut_.frequencies.reserve(size.rows);
  cut_.last_updates.reserve(size.rows);
  cut_.tombstones.assign(changes_.tombstones().begin(), changes_.tombstones().end());
  return size;
}

bool EmbeddingTable::CopyCut(size_t max_rows) {
  for (size_t copied = 0; copied < max_rows; ++copied) {
    copy_cursor_ = changes_.NextPending(copy_cursor_);
    if (copy_cursor_ == kNoRow) {
      return false;
    }
    Copy(copy_cursor_);
  }
  return true;
}

void EmbeddingTable::CopyIfPending(RowSlot slot) {
  if (changes_.IsPending(slot)) {
    Copy(slot);
  }
}

void EmbeddingTable::Copy(RowSlot slot) {
  const RowHead& head = rows_.head(slot);
  const float* const floats = rows_.floats(slot);
  cut_.keys.push_back(head.key);
  cut_.frequencies.push_back(head.frequency);
  cut_.last_updates.push_back(head.last_update);
  AppendTo(cut_.values, floats, dim_);
  AppendTo(cut_.states, floats + dim_, cut_.state_dim);
  copied_.push_back(slot);
  changes_.MarkCopied(slot);
}

EmbeddingRows EmbeddingTable::TakeCut() {
  FRESHET_DCHECK(changes_.pending() == 0);
  return std::exchange(cut_, {});
}

void EmbeddingTable::EndCut(bool committed) {
  changes_.Unflip(committed, copied_, rows_.live());
  cut_ = {};
  copied_ = {};
}

void EmbeddingTable::Load(const EmbeddingRows& rows,
                          std::span<const uint32_t> picked,
                          std::span<const Key> tombstones) {
  for (const Key key : tombstones) {
    if (const RowSlot slot = index_.Find(rows_, key); slot != kNoRow) {
      DeleteRow(slot);
    }
  }
  for (const uint32_t i : picked) {
    const RowSlot slot = MakeRow(rows.keys[i]);
    rows_.head(slot) = {
        .key = rows.keys[i], .frequency = rows.frequencies[i], .last_update = rows.last_updates[i]};
    float* const floats = rows_.floats(slot);
    std::copy_n(&rows.values[size_t{i} * dim_], dim_, floats);
    std::copy_n(rows.states.data() + size_t{i} * state_dim(), state_dim(), floats + dim_);
  }
}

}  // namespace freshet::ps
