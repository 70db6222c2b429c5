#pragma once
#include <chrono>
#include <string>

#include "common/cluster/cluster_config.h"

namespace freshet::serving {

struct ServingOptions {
  std::string log_directory;
  // How often the log and the catalogue are looked at. A notice comes sooner; this is what a lost
  // one costs.
  std::chrono::milliseconds poll_every{100};
  CatalogueSettings catalogue;  // without path: no recall, no recommend
};

}  // namespace freshet::serving
