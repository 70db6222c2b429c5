#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "common/ids.h"
#include "common/version_log/part_file.h"
#include "proto/manifest.pb.h"
#include "serving/catalogue.h"
#include "serving/item_features.h"
#include "serving/recall_index.h"
#include "serving/schema.h"
#include "serving/weights.h"

namespace freshet::serving {

// What answers say about the version they come from.
struct VersionFacts {
  VersionId version;   // 0: none yet
  VersionId restores;  // of a rollback: the version that this one equals; otherwise 0
  int64_t created_unix_ms = 0;
  int64_t newest_arrival_ms = 0;
  int64_t event_time_watermark_ms = 0;
};

// One version of everything that an answer is made of. Copyable.
// Thread-safety: any thread may read while nobody writes.
class Snapshot {
 public:
  const VersionFacts& facts() const { return facts_; }

  bool has_version() const { return facts_.version.value() != 0; }

  // Null without a version.
  const Schema* schema() const { return schema_.get(); }

  const std::shared_ptr<const Schema>& shared_schema() const { return schema_; }

  const Weights& weights() const { return weights_; }

  // Null if none is configured.
  const Catalogue* catalogue() const { return catalogue_.get(); }

  const std::shared_ptr<const Catalogue>& shared_catalogue() const { return catalogue_; }

  // Empty, with items_problem() telling why, unless the model scores and the catalogue fits it;
  // also of models whose score is no inner product.
  const RecallIndex& index() const { return index_; }

  bool has_items() const { return items_ != nullptr; }

  // Null unless has_items().
  const ItemFeatures* items() const { return items_.get(); }

  const std::string& items_problem() const { return items_problem_; }

  // ---- writing

  // Of no rows, for a model. SetItems follows if it is another model than before.
  void Reset(std::shared_ptr<const Schema> schema);

  // Applies parts without bringing the index up to date: RebuildIndex follows.
  void ApplyRows(const PartContents& part) { weights_.Apply(part); }

  // Applies parts and brings the vectors of the items that they touch up to date.
  void ApplyDelta(std::span<const PartContents> parts);

  void SetFacts(const VersionFacts& facts) { facts_ = facts; }

  // `items`: null, with the problem, if there are no items to recommend.
  void SetItems(std::shared_ptr<const Catalogue> catalogue,
                std::shared_ptr<const ItemFeatures> items,
                std::string problem);
  void RebuildIndex();

 private:
  void RefreshItem(uint32_t item);

  VersionFacts facts_;
  std::shared_ptr<const Schema> schema_;
  Weights weights_;
  std::shared_ptr<const Catalogue> catalogue_;
  std::shared_ptr<const ItemFeatures> items_;
  std::string items_problem_ = "no version yet";
  RecallIndex index_;
};

}  // namespace freshet::serving
