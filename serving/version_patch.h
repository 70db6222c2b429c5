#pragma once
#include <map>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "common/version_log/part_file.h"
#include "common/version_log/touched_keys.h"

namespace freshet::serving {

// What turns the rows of one version into those of another one: put together from all parts of the
// other, oldest first, with the rows of the keys that may differ and no others (ReadPart's `only`).
// Thread-safety: one thread.
class VersionPatch {
 public:
  explicit VersionPatch(TouchedKeys touched) : touched_(std::move(touched)) {}

  const TouchedKeys& touched() const { return touched_; }

  void Add(const PartContents& part);

  // Each touched key, as a row or as a tombstone; and the dense variables. Nothing is left.
  PartContents Take() &&;

 private:
  // The rows of a variable so far, and where a key's row lies; gone rows leave a gap.
  struct Rows {
    EmbeddingRows rows;
    absl::flat_hash_map<Key, size_t> places;
  };

  void AddRows(const EmbeddingRows& rows, size_t touched);

  TouchedKeys touched_;
  std::map<std::string, Rows> rows_;
  std::map<std::string, DenseTensor> dense_;
};

}  // namespace freshet::serving
