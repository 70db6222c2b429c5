#include "common/version_log/version_path.h"

#include <algorithm>
#include <utility>

namespace freshet {
namespace {

// A version and what it adds to, back to a base or to what has been removed; oldest first.
// Rollbacks stand for what they equal.
StatusOr<std::vector<proto::Manifest>> LineOf(const VersionLog& log, VersionId version) {
  std::vector<proto::Manifest> line;
  for (VersionId next = version; next.value() != 0;) {
    StatusOr<proto::Manifest> manifest = log.ReadManifest(next);
    if (absl::IsNotFound(manifest.status())) {
      break;
    }
    FRESHET_RETURN_IF_ERROR(manifest.status());
    next = VersionId(manifest->kind() == proto::Manifest::BASE ? 0 : manifest->parent());
    if (manifest->kind() != proto::Manifest::ROLLBACK) {
      manifest->clear_workers();  // large, and of no use here
      line.push_back(*std::move(manifest));
    }
  }
  std::reverse(line.begin(), line.end());
  return line;
}

}  // namespace

StatusOr<std::optional<std::vector<proto::Manifest>>> DeltasBetween(const VersionLog& log,
                                                                    VersionId from,
                                                                    VersionId to) {
  FRESHET_ASSIGN_OR_RETURN(std::vector<proto::Manifest> of_from, LineOf(log, from));
  FRESHET_ASSIGN_OR_RETURN(std::vector<proto::Manifest> of_to, LineOf(log, to));
  // Lines that have parted never meet again. They need not begin at the same version: what one of
  // them has lost of its beginning is no difference.
  const auto in_to = [&of_to](const proto::Manifest& manifest) {
    return std::find_if(of_to.begin(), of_to.end(), [&](const proto::Manifest& other) {
      return other.version() == manifest.version();
    });
  };
  const auto last_shared =
      std::find_if(of_from.rbegin(), of_from.rend(), [&](const proto::Manifest& manifest) {
        return in_to(manifest) != of_to.end();
      });
  if (last_shared == of_from.rend()) {
    return std::nullopt;
  }
  std::vector<proto::Manifest> between(std::next(in_to(*last_shared)), of_to.end());
  between.insert(between.begin(), last_shared.base(), of_from.end());
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
