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
  }

  Batch batch;
  UniqueKeys unique;
};

BatchBuilder::BatchBuilder(size_t embedding_variables) : impl_(std::make_unique<Impl>()) {
  FRESHET_CHECK(embedding_variables == 1);
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
  for (const Feature& feature : sample.features) {
    input.rows.push_back(impl_->unique.IndexOf(feature.key, &input.keys));
    input.values.push_back(feature.value);
    input.slots.push_back(feature.slot);
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
  impl_->Begin();
  return taken;
}

}  // namespace freshet
