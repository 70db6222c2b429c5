#include "common/model/batch_builder.h"

#include <algorithm>
#include <utility>

#include "common/check.h"

namespace freshet {
namespace {

constexpr size_t kFirstCells = 1024;

// Key -> index into a list of unique keys. Open addressing with linear probing, at most half full.
// A cell belongs to the batch whose generation it carries, so that Clear touches no cell.
class UniqueKeys {
 public:
  UniqueKeys() : cells_(kFirstCells) {}

  void Clear() {
    if (++generation_ == 0) {  // wrapped around: stamps of old batches could come to life
      cells_.assign(cells_.size(), Cell{});
      generation_ = 1;
    }
  }

  // The key's index in *keys, to which it is appended if it is new.
  uint32_t IndexOf(Key key, std::vector<Key>* keys) {
    if ((keys->size() + 1) * 2 > cells_.size()) {
      Grow(*keys);
    }
    Cell& cell = Find(key, *keys);
    if (cell.generation != generation_) {
      cell = Cell{.generation = generation_, .index = static_cast<uint32_t>(keys->size())};
      keys->push_back(key);
    }
    return cell.index;
  }

 private:
  struct Cell {
    uint32_t generation = 0;
    uint32_t index = 0;
  };

  // The cell of the key, or the free cell that it would take. Keys are hashes: their low bits do.
  Cell& Find(Key key, const std::vector<Key>& keys) {
    const size_t mask = cells_.size() - 1;
    size_t position = key & mask;
    while (cells_[position].generation == generation_ && keys[cells_[position].index] != key) {
      position = (position + 1) & mask;
    }
    return cells_[position];
  }

  void Grow(const std::vector<Key>& keys) {
    cells_.assign(cells_.size() * 2, Cell{});
    for (uint32_t index = 0; index < keys.size(); ++index) {
      Find(keys[index], keys) = Cell{.generation = generation_, .index = index};
    }
  }

  std::vector<Cell> cells_;  // a power of two of them
  uint32_t generation_ = 1;
};

}  // namespace

struct BatchBuilder::Impl {
  void Begin() {
    batch.inputs.resize(1);
    batch.inputs[0].sample_begin.push_back(0);
    unique.Clear();
    counted_in.clear();
  }

  // The feature whose key lies at `row`, of the sample that is being added.
  void AddDetails(uint32_t row, uint16_t slot, bool clicked) {
    SparseInput& input = batch.inputs[0];
    if (details.slots && row == input.key_slots.size()) {
      input.key_slots.push_back(slot);
    }
    if (!details.counts) {
      return;
    }
    const size_t sample = batch.size();
    if (row == input.counts.size()) {
      input.counts.push_back({.shows = 0.0F, .clicks = 0.0F});
      counted_in.push_back(0);
    }
    if (counted_in[row] != sample) {
      counted_in[row] = sample;
      input.counts[row].shows += 1.0F;
      input.counts[row].clicks += clicked ? 1.0F : 0.0F;
    }
  }

  KeyDetails details;
  Batch batch;
  UniqueKeys unique;
  std::vector<size_t> counted_in;  // per key counted: the last sample that had it, from 1
};

BatchBuilder::BatchBuilder(size_t embedding_variables, KeyDetails details)
    : impl_(std::make_unique<Impl>()) {
  FRESHET_CHECK(embedding_variables == 1);
  impl_->details = details;
  impl_->Begin();
}

BatchBuilder::~BatchBuilder() = default;

void BatchBuilder::Add(const Sample& sample, uint64_t sample_id, int64_t arrival_ms) {
  Batch& batch = impl_->batch;
  batch.labels.push_back(sample.label);
  batch.weights.push_back(sample.weight);
  batch.sample_ids.push_back(sample_id);
  batch.max_event_time_ms = std::max(batch.max_event_time_ms, sample.event_time_ms);
  batch.newest_arrival_ms = std::max(batch.newest_arrival_ms, arrival_ms);
  SparseInput& input = batch.inputs[0];
  const bool with_details = impl_->details.counts || impl_->details.slots;
  for (const Feature& feature : sample.features) {
    const uint32_t row = impl_->unique.IndexOf(feature.key, &input.keys);
    input.rows.push_back(row);
    input.values.push_back(feature.value);
    input.slots.push_back(feature.slot);
    if (with_details) {
      impl_->AddDetails(row, feature.slot, sample.label > 0.0F);
    }
  }
  input.sample_begin.push_back(static_cast<uint32_t>(input.rows.size()));
}

size_t BatchBuilder::size() const {
  return impl_->batch.size();
}

// The batch takes its arrays along; the next ones are made as large, so that they need not grow.
Batch BatchBuilder::Take() {
  Batch taken = std::exchange(impl_->batch, Batch{});
  Batch& next = impl_->batch;
  next.labels.reserve(taken.labels.size());
  next.weights.reserve(taken.weights.size());
  next.sample_ids.reserve(taken.sample_ids.size());
  next.inputs.resize(1);
  const SparseInput& old = taken.inputs[0];
  next.inputs[0].keys.reserve(old.keys.size());
  next.inputs[0].sample_begin.reserve(old.sample_begin.size());
  next.inputs[0].rows.reserve(old.rows.size());
  next.inputs[0].values.reserve(old.values.size());
  next.inputs[0].slots.reserve(old.slots.size());
  next.inputs[0].counts.reserve(old.counts.size());
  next.inputs[0].key_slots.reserve(old.key_slots.size());
  impl_->Begin();
  return taken;
}

}  // namespace freshet
