#include "serving/catalogue_watcher.h"

#include <spdlog/spdlog.h>

#include <memory>
#include <utility>

#include "serving/catalogue.h"
#include "serving/recommendable.h"

namespace freshet::serving {

CatalogueWatcher::CatalogueWatcher(FileSystem& files,
                                   const CatalogueSettings& settings,
                                   ModelStore& store,
                                   ServingMetrics& metrics)
    : files_(files), settings_(settings), store_(store), metrics_(metrics) {}

StatusOr<CatalogueWatcher::Signature> CatalogueWatcher::Sign() const {
  FRESHET_ASSIGN_OR_RETURN(const FileInfo info, files_.Stat(settings_.path));
  return Signature(info.bytes, info.inode, info.modified_ns);
}

Status CatalogueWatcher::Load() {
  if (settings_.path.empty()) {
    return absl::OkStatus();
  }
  // Signed before it is read: a change in between is seen as one at the next look.
  if (const auto signature = Sign(); signature.ok()) {
    signature_ = *signature;
  }
  FRESHET_ASSIGN_OR_RETURN(std::shared_ptr<const Catalogue> catalogue,
                           Catalogue::Load(files_, settings_));
  metrics_.catalogue_loads.Increment();
  spdlog::info("catalogue read path={} items={}", settings_.path, catalogue->size());
  store_.SetCatalogue(std::move(catalogue));
  metrics_.items.Set(static_cast<double>(RecommendableItems(store_.current()).value_or(0)));
  problem_.clear();
  return absl::OkStatus();
}

void CatalogueWatcher::Look() {
  if (settings_.path.empty()) {
    return;
  }
  const StatusOr<Signature> signature = Sign();
  if (!signature.ok()) {
    Failed(signature.status());
  } else if (*signature != signature_) {
    if (const Status loaded = Load(); !loaded.ok()) {
      Failed(loaded);
    }
  }
}

void CatalogueWatcher::Failed(const Status& status) {
  if (MessageOf(status) == problem_) {
    return;
  }
  problem_ = MessageOf(status);
  metrics_.catalogue_errors.Increment();
  spdlog::error("catalogue refused, the one before stays error=\"{}\"", problem_);
}

}  // namespace freshet::serving
