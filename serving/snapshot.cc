#include "serving/snapshot.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "serving/scorer.h"

namespace freshet::serving {

void Snapshot::Reset(std::shared_ptr<const Schema> schema) {
  schema_ = std::move(schema);
  weights_ = Weights(schema_->model());
}

void Snapshot::SetItems(std::shared_ptr<const Catalogue> catalogue,
                        std::shared_ptr<const ItemFeatures> items,
                        std::string problem) {
  catalogue_ = std::move(catalogue);
  items_ = std::move(items);
  items_problem_ = std::move(problem);
}

void Snapshot::RebuildIndex() {
  const bool has_vectors = has_items() && schema_->has_sides();
  index_ = has_vectors ? RecallIndex(items_->size(), schema_->factors()) : RecallIndex();
  for (uint32_t item = 0; item < index_.size(); ++item) {
    RefreshItem(item);
  }
}

void Snapshot::RefreshItem(uint32_t item) {
  const FmSide side = SumFeatures(*this, items_->FeaturesOf(item));
  index_.Set(item, side.Bias(), side.vector());
}

void Snapshot::ApplyDelta(std::span<const PartContents> parts) {
  std::vector<uint32_t> touched;
  const auto touch = [&](const std::vector<Key>& keys) {
    for (const Key key : keys) {
      const std::span<const uint32_t> items = items_->ItemsWith(key);
      touched.insert(touched.end(), items.begin(), items.end());
    }
  };
  for (const PartContents& part : parts) {
    weights_.Apply(part);
    if (index_.size() > 0) {
      for (const EmbeddingRows& rows : part.embeddings) {
        touch(rows.keys);
        touch(rows.tombstones);
      }
    }
  }
  std::sort(touched.begin(), touched.end());
  touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
  for (const uint32_t item : touched) {
    RefreshItem(item);
  }
}

}  // namespace freshet::serving
