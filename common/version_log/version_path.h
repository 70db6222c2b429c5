#pragma once
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "common/key.h"
#include "common/status.h"
#include "common/version_log/part_file.h"
#include "common/version_log/version_log.h"
#include "proto/manifest.pb.h"

// How to get from one version to another without loading all of it: only keys that a delta between
// the two speaks of can have other rows.
namespace freshet {

// The deltas since the last version that both come from, of either line; oldest first, and those of
// `from` before those of `to`. Nothing: a base lies in between or a version on the way has been
// removed, so that any row may differ. Errors are those of reading manifests, but for NotFound.
StatusOr<std::optional<std::vector<proto::Manifest>>> DeltasBetween(const VersionLog& log,
                                                                    VersionId from,
                                                                    VersionId to);

// Keys by embedding variable: those whose rows may differ.
// Thread-safety: any thread may ask while nobody adds.
class TouchedKeys {
 public:
  using Keys = absl::flat_hash_set<Key>;

  Keys& of(const std::string& variable) { return keys_[variable]; }

  // The keys and tombstones of a part (PartColumns::kKeys is enough), as far as `wants` says so.
  void Add(const PartContents& part, absl::FunctionRef<bool(Key)> wants);

  // Null: no key of the variable.
  const Keys* Find(const std::string& variable) const;

  size_t size() const;

 private:
  absl::flat_hash_map<std::string, Keys> keys_;
};

}  // namespace freshet
