#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/sample/sample.h"
#include "common/status.h"
#include "serving/catalogue.h"
#include "serving/schema.h"

namespace freshet::serving {

// The features of each item of a catalogue under a model, and which items have a given feature, so
// that a delta leads to the items whose vectors it changes. Immutable after construction.
class ItemFeatures {
 public:
  // Errors: FailedPrecondition if the catalogue lacks a column that an item slot reads;
  // InvalidArgument, with the line, for a cell that makes no feature of its slot.
  static StatusOr<std::shared_ptr<const ItemFeatures>> Make(const Catalogue& catalogue,
                                                            const Schema& schema);

  size_t size() const { return begin_.size() - 1; }

  std::span<const Feature> FeaturesOf(uint32_t item) const {
    return std::span(features_).subspan(begin_[item], begin_[item + 1] - begin_[item]);
  }

  // Ascending. None for a key that no item has.
  std::span<const uint32_t> ItemsWith(Key key) const;

 private:
  void IndexKeys();

  std::vector<size_t> begin_ = {0};  // [items + 1], into features_
  std::vector<Feature> features_;
  absl::flat_hash_map<Key, uint32_t> key_index_;  // into key_begin_
  std::vector<size_t> key_begin_;                 // [keys + 1], into key_items_
  std::vector<uint32_t> key_items_;
};

}  // namespace freshet::serving
