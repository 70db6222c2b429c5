#include "common/version_log/version_path.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace freshet {

// The larger of the two steps to its parent, until they are one. Only versions in between are read.
StatusOr<std::optional<std::vector<proto::Manifest>>> DeltasBetween(const VersionLog& log,
                                                                    VersionId from,
                                                                    VersionId to) {
  std::vector<proto::Manifest> of_from;
  std::vector<proto::Manifest> of_to;
  while (from != to) {
    const bool steps_from = from > to;
    VersionId& version = steps_from ? from : to;
    StatusOr<proto::Manifest> manifest = log.ReadManifest(version);
    if (absl::IsNotFound(manifest.status())) {
      return std::nullopt;
    }
    FRESHET_RETURN_IF_ERROR(manifest.status());
    if (manifest->kind() == proto::Manifest::BASE) {
      return std::nullopt;
    }
    version = VersionId(manifest->parent());
    if (manifest->kind() == proto::Manifest::DELTA) {
      manifest->clear_workers();  // large, and of no use here
      (steps_from ? of_from : of_to).push_back(*std::move(manifest));
    }
  }
  if (from.value() == 0) {
    return std::nullopt;
  }
  std::vector<proto::Manifest> between(std::make_move_iterator(of_from.rbegin()),
                                       std::make_move_iterator(of_from.rend()));
  std::move(of_to.rbegin(), of_to.rend(), std::back_inserter(between));
  return between;
}

void TouchedKeys::Add(const PartContents& part, absl::FunctionRef<bool(Key)> wants) {
  for (const EmbeddingRows& rows : part.embeddings) {
    Keys& keys = keys_[rows.variable];
    const auto add = [&](const std::vector<Key>& some) {
      std::copy_if(some.begin(), some.end(), std::inserter(keys, keys.end()), wants);
    };
    add(rows.keys);
    add(rows.tombstones);
  }
}

const TouchedKeys::Keys* TouchedKeys::Find(const std::string& variable) const {
  const auto found = keys_.find(variable);
  return found == keys_.end() ? nullptr : &found->second;
}

size_t TouchedKeys::size() const {
  size_t keys = 0;
  for (const auto& [variable, of_variable] : keys_) {
    keys += of_variable.size();
  }
  return keys;
}

}  // namespace freshet
