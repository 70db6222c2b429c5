#include "serving/model_store.h"

#include <spdlog/spdlog.h>

#include <utility>

namespace freshet::serving {

void ModelStore::Apply(const VersionFacts& facts, std::span<const PartContents> parts) {
  const auto apply = [&] {
    sides_.idle().ApplyDelta(parts);
    sides_.idle().SetFacts(facts);
  };
  apply();
  sides_.Swap();
  apply();
}

Status ModelStore::Load(const VersionFacts& facts,
                        std::shared_ptr<const Schema> schema,
                        const std::function<Status(const Weights&, const AddPart&)>& fill) {
  Snapshot& next = sides_.idle();
  const bool same_schema = next.shared_schema() == schema;
  next.Reset(std::move(schema));
  Status filled = fill(next.weights(), [&next](const PartContents& part) { next.ApplyRows(part); });
  if (!filled.ok()) {
    next = sides_.active();
    return filled;
  }
  if (!same_schema) {
    Items items = MakeItems(next.shared_catalogue(), next.schema());
    next.SetItems(std::move(items.catalogue), std::move(items.features), std::move(items.problem));
  }
  next.RebuildIndex();
  next.SetFacts(facts);
  sides_.Swap();
  sides_.idle() = sides_.active();
  return filled;
}

void ModelStore::SetCatalogue(std::shared_ptr<const Catalogue> catalogue) {
  const Items items = MakeItems(std::move(catalogue), current().schema());
  const auto set = [&] {
    sides_.idle().SetItems(items.catalogue, items.features, items.problem);
    sides_.idle().RebuildIndex();
  };
  set();
  sides_.Swap();
  set();
}

ModelStore::Items ModelStore::MakeItems(std::shared_ptr<const Catalogue> catalogue,
                                        const Schema* schema) {
  Items items{.catalogue = std::move(catalogue), .features = nullptr, .problem = ""};
  if (items.catalogue == nullptr) {
    items.problem = "no catalogue is configured (serving.catalogue)";
  } else if (schema == nullptr) {
    items.problem = "no version yet";
  } else if (!schema->has_scores()) {
    items.problem = fmt::format("a model of kind {} has no scores", schema->model().kind());
  } else if (auto features = ItemFeatures::Make(*items.catalogue, *schema); features.ok()) {
    items.features = *std::move(features);
  } else {
    items.problem = MessageOf(features.status());
    spdlog::error("serving: no items can be recommended problem=\"{}\"", items.problem);
  }
  return items;
}

}  // namespace freshet::serving
