#pragma once
#include <cstdint>
#include <string>
#include <tuple>

#include "common/cluster/cluster_config.h"
#include "common/env/file_system.h"
#include "common/status.h"
#include "serving/metrics.h"
#include "serving/model_store.h"

namespace freshet::serving {

// Keeps a ModelStore's items those of the catalogue file. One thread: the store's writer.
class CatalogueWatcher {
 public:
  // All borrowed.
  CatalogueWatcher(FileSystem& files,
                   const CatalogueSettings& settings,
                   ModelStore& store,
                   ServingMetrics& metrics);

  // Reads the file for the first time. Nothing to do if none is configured.
  Status Load();
  // Reads it again if it has been replaced or changed. A file that is gone or wrong is logged and
  // counted, once, and the items stay.
  void Look();

 private:
  // What changes when the file does: size, inode, time.
  using Signature = std::tuple<uint64_t, uint64_t, int64_t>;

  StatusOr<Signature> Sign() const;
  void Failed(const Status& status);

  FileSystem& files_;
  const CatalogueSettings settings_;
  ModelStore& store_;
  ServingMetrics& metrics_;
  Signature signature_;  // of what was last read, whether it was right or not
  std::string problem_;  // logged last
};

}  // namespace freshet::serving
