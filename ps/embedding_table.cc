#include "ps/embedding_table.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <utility>

#include "common/check.h"

namespace freshet::ps {
namespace {

constexpr size_t kBlock = RowIndex::kBlock;

// Works through keys in blocks, in three steps, so that the cache misses of many keys overlap:
// the index's lines are fetched, a block later the rows', and a block later use(begin, keys of the
// block, their slots) is called. What it does may make rows, but no row may go.
template <typename Fetch, typename Use>
void ForEachBlock(const RowIndex& index, std::span<const Key> keys, Fetch fetch, Use use) {
  std::array<std::array<uint64_t, kBlock>, 2> hashes;
  std::array<std::array<RowSlot, kBlock>, 2> slots;
  const size_t blocks = (keys.size() + kBlock - 1) / kBlock;
  const auto block_of = [&](size_t block) {
    const size_t begin = block * kBlock;
    return keys.subspan(begin, std::min(kBlock, keys.size() - begin));
  };
  for (size_t step = 0; step < blocks + 2; ++step) {
    if (step >= 1 && step <= blocks) {
      const size_t block = step - 1;
      const size_t count = block_of(block).size();
      index.Find(std::span(hashes[block % 2]).first(count),
                 std::span(slots[block % 2]).first(count));
      for (size_t i = 0; i < count; ++i) {
        if (slots[block % 2][i] != kNoRow) {
          fetch(slots[block % 2][i]);
        }
      }
    }
    if (step < blocks) {
      index.Prepare(block_of(step), hashes[step % 2]);
    }
    if (step >= 2) {
      const size_t block = step - 2;
      use(block * kBlock,
          block_of(block),
          std::span(slots[block % 2]).first(block_of(block).size()));
    }
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
      rows_({.value_bytes = dim_ * sizeof(float), .state_dim = optimizer_->state_dim()}) {}

void EmbeddingTable::Pull(std::span<const Key> keys,
                          std::span<const uint32_t> positions,
                          std::span<float> values,
                          uint32_t /*slot*/) const {
  ForEachBlock(
      index_,
      keys,
      [this](RowSlot slot) { rows_.PrefetchValue(slot); },
      [&](size_t begin, std::span<const Key> block, std::span<const RowSlot> slots) {
        for (size_t i = 0; i < block.size(); ++i) {
          const std::span<float> value =
              values.subspan(PositionOf(positions, begin + i) * dim_, dim_);
          if (slots[i] == kNoRow) {
            initializer_.Fill(block[i], value);
          } else {
            std::memcpy(value.data(), rows_.value(slots[i]), value.size_bytes());
          }
        }
      });
}

void EmbeddingTable::Push(std::span<const Key> keys,
                          std::span<const uint32_t> positions,
                          std::span<const float> gradients,
                          const PushContext& context) {
  std::array<RowUpdate, kBlock> updates;
  ForEachBlock(
      index_,
      keys,
      [this](RowSlot slot) { rows_.PrefetchRow(slot); },
      [&](size_t begin, std::span<const Key> block, std::span<RowSlot> slots) {
        for (size_t i = 0; i < block.size(); ++i) {
          slots[i] = slots[i] == kNoRow ? MakeRow(block[i]) : slots[i];
          CopyIfPending(block[i], slots[i]);
          MarkDirty(block[i], slots[i]);
          RowMeta& meta = rows_.meta(slots[i]);
          meta.frequency += meta.frequency == std::numeric_limits<uint32_t>::max() ? 0 : 1;
          meta.last_update = std::max(meta.last_update, context.event_time_s);
        }
        // Only now: making a row may move the others.
        for (size_t i = 0; i < block.size(); ++i) {
          updates[i] = {.value = reinterpret_cast<float*>(rows_.value(slots[i])),
                        .state = rows_.state(slots[i]),
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
    const RowSlot slot = index_.Find(key);
    if (slot != kNoRow) {
      CopyIfPending(key, slot);
      changes_.MarkDeleted(slot, key);
      DeleteRow(key, slot);
      ++deleted;
    }
  }
  return deleted;
}

// The key may have got its row since it was looked up, if it comes twice in a block.
RowSlot EmbeddingTable::MakeRow(Key key) {
  if (const RowSlot found = index_.Find(key); found != kNoRow) {
    return found;
  }
  const RowSlot slot = rows_.Allocate();
  if (changes_.slots() != rows_.slots()) {
    changes_.Resize(rows_.slots());
  }
  rows_.meta(slot) = {};
  auto* const value = reinterpret_cast<float*>(rows_.value(slot));
  initializer_.Fill(key, {value, dim_});
  optimizer_->InitState(value, rows_.state(slot));
  index_.Insert(key, slot);
  return slot;
}

void EmbeddingTable::DeleteRow(Key key, RowSlot slot) {
  index_.Erase(key);
  rows_.Free(slot);
}

CutSize EmbeddingTable::BeginCut(bool full) {
  changes_.Flip(full, rows_.live());
  dirty_keys_.Flip(full);
  const CutSize size{.rows = changes_.pending(), .tombstones = changes_.tombstones().size()};
  copy_next_ = 0;
  copy_walk_ = 0;
  copy_done_ = false;
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
  if (copy_done_) {
    return false;
  }
  if (dirty_keys_.pending_all()) {
    copy_walk_ = index_.Walk(
        copy_walk_, max_rows, [this](Key key, RowSlot slot) { CopyIfPending(key, slot); });
    copy_done_ = copy_walk_ == 0;
    return !copy_done_;
  }
  const std::span<const Key> left = dirty_keys_.pending().subspan(copy_next_);
  const std::span<const Key> keys = left.first(std::min(max_rows, left.size()));
  ForEachBlock(
      index_,
      keys,
      [this](RowSlot slot) { rows_.PrefetchRow(slot); },
      [this](size_t, std::span<const Key> block, std::span<const RowSlot> slots) {
        for (size_t i = 0; i < block.size(); ++i) {
          if (slots[i] != kNoRow) {
            CopyIfPending(block[i], slots[i]);
          }
        }
      });
  copy_next_ += keys.size();
  copy_done_ = keys.size() == left.size();
  return !copy_done_;
}

void EmbeddingTable::MarkDirty(Key key, RowSlot slot) {
  if (!changes_.IsDirty(slot)) {
    changes_.MarkDirty(slot);
    dirty_keys_.Add(key, rows_.rows());
  }
}

void EmbeddingTable::CopyIfPending(Key key, RowSlot slot) {
  if (changes_.IsPending(slot)) {
    Copy(key, slot);
  }
}

void EmbeddingTable::Copy(Key key, RowSlot slot) {
  const RowMeta& meta = rows_.meta(slot);
  cut_.keys.push_back(key);
  cut_.frequencies.push_back(meta.frequency);
  cut_.last_updates.push_back(meta.last_update);
  AppendTo(cut_.values, reinterpret_cast<const float*>(rows_.value(slot)), dim_);
  AppendTo(cut_.states, rows_.state(slot), cut_.state_dim);
  copied_.push_back(slot);
  changes_.MarkCopied(slot);
}

EmbeddingRows EmbeddingTable::TakeCut() {
  FRESHET_DCHECK(changes_.pending() == 0);
  return std::exchange(cut_, {});
}

void EmbeddingTable::EndCut(bool committed) {
  changes_.Unflip(committed, copied_, rows_.live());
  dirty_keys_.Unflip(committed);
  copy_done_ = true;
  cut_ = {};
  copied_ = {};
}

void EmbeddingTable::Load(const EmbeddingRows& rows,
                          std::span<const uint32_t> picked,
                          std::span<const Key> tombstones) {
  for (const Key key : tombstones) {
    if (const RowSlot slot = index_.Find(key); slot != kNoRow) {
      DeleteRow(key, slot);
    }
  }
  for (const uint32_t i : picked) {
    const RowSlot slot = MakeRow(rows.keys[i]);
    rows_.meta(slot) = {.frequency = rows.frequencies[i], .last_update = rows.last_updates[i]};
    std::copy_n(&rows.values[size_t{i} * dim_], dim_, reinterpret_cast<float*>(rows_.value(slot)));
    std::copy_n(rows.states.data() + size_t{i} * state_dim(), state_dim(), rows_.state(slot));
  }
}

}  // namespace freshet::ps
