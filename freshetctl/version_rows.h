#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/feature_life.h"
#include "common/version_log/version_log.h"

// The rows of a version as they are after its whole chain: what `dump` and `export` write.
namespace freshet::freshetctl {

struct VersionRow {
  std::vector<float> values;
  std::vector<float> states;
  uint32_t frequency = 0;
  uint32_t last_update = 0;
  std::optional<FeatureLife> life;
  std::optional<bool> served;
};

// One embedding variable. Ordered, as what is written is.
struct VersionTable {
  std::map<Key, VersionRow> rows;
  std::map<Key, VersionRow> candidates;  // without values and states
  std::map<uint64_t, std::vector<uint8_t>> filter;
  StreamClock clock;
};

struct VersionModel {
  std::map<std::string, VersionTable> embeddings;
  std::map<std::string, DenseTensor> dense;
};

// Reads `version`; of one variable if it is not empty. Holds all of it in memory.
StatusOr<VersionModel> ReadVersion(FileSystem& files,
                                   const VersionLog& log,
                                   VersionId version,
                                   const std::string& variable);

}  // namespace freshet::freshetctl
