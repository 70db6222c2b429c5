#include "serving/item_features.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace freshet::serving {
namespace {

// For each item field of the model, its column in the catalogue.
StatusOr<std::vector<size_t>> ColumnsOf(const Catalogue& catalogue, const Schema& schema) {
  std::vector<size_t> columns;
  for (const Field& field : schema.fields(proto::Slot::ITEM)) {
    const std::optional<size_t> column = catalogue.ColumnIndex(field.column);
    if (!column.has_value()) {
      return FailedPrecondition(
          "catalogue {}: the model's slot '{}' reads column '{}', which is not there; columns: {}",
          catalogue.path(),
          schema.mapper().slot(field.slots.front()).name(),
          field.column,
          fmt::join(catalogue.columns(), ", "));
    }
    columns.push_back(*column);
  }
  return columns;
}

}  // namespace

StatusOr<std::shared_ptr<const ItemFeatures>> ItemFeatures::Make(const Catalogue& catalogue,
                                                                 const Schema& schema) {
  FRESHET_ASSIGN_OR_RETURN(const std::vector<size_t> columns, ColumnsOf(catalogue, schema));
  const std::vector<Field>& fields = schema.fields(proto::Slot::ITEM);
  auto items = std::make_shared<ItemFeatures>();
  for (size_t item = 0; item < catalogue.size(); ++item) {
    for (size_t i = 0; i < fields.size(); ++i) {
      const Status mapped =
          schema.Map(fields[i], catalogue.Cell(item, columns[i]), &items->features_);
      if (!mapped.ok()) {
        return Annotate(mapped,
                        fmt::format("catalogue {}, line {}, column '{}'",
                                    catalogue.path(),
                                    catalogue.Line(item),
                                    fields[i].column));
      }
    }
    schema.mapper().AddCrosses(items->begin_.back(), &items->features_);
    items->begin_.push_back(items->features_.size());
  }
  items->IndexKeys();
  return items;
}

void ItemFeatures::IndexKeys() {
  std::vector<std::pair<Key, uint32_t>> pairs;
  pairs.reserve(features_.size());
  for (uint32_t item = 0; item < size(); ++item) {
    for (const Feature& feature : FeaturesOf(item)) {
      pairs.emplace_back(feature.key, item);
    }
  }
  std::sort(pairs.begin(), pairs.end());
  pairs.erase(std::unique(pairs.begin(), pairs.end()), pairs.end());
  key_items_.reserve(pairs.size());
  for (const auto& [key, item] : pairs) {
    if (key_index_.emplace(key, static_cast<uint32_t>(key_begin_.size())).second) {
      key_begin_.push_back(key_items_.size());
    }
    key_items_.push_back(item);
  }
  key_begin_.push_back(key_items_.size());
}

std::span<const uint32_t> ItemFeatures::ItemsWith(Key key) const {
  const auto found = key_index_.find(key);
  if (found == key_index_.end()) {
    return {};
  }
  const size_t begin = key_begin_[found->second];
  return std::span(key_items_).subspan(begin, key_begin_[found->second + 1] - begin);
}

}  // namespace freshet::serving
