#include "common/version_log/touched_keys.h"

#include <utility>

#include "common/version_log/part_file.h"

namespace freshet {

void TouchedKeys::Add(const PartContents& part, absl::FunctionRef<bool(Key)> wants) {
  for (const EmbeddingRows& rows : part.embeddings) {
    Keys& keys = keys_[rows.variable];
    for (const auto* some : {&rows.keys, &rows.tombstones}) {
      for (const Key key : *some) {
        if (wants(key)) {
          keys.insert(key);
        }
      }
    }
  }
}

const TouchedKeys::Keys* TouchedKeys::Find(const std::string& variable) const {
  const auto found = keys_.find(variable);
  return found == keys_.end() ? nullptr : &found->second;
}

void TouchedKeys::Merge(TouchedKeys other) {
  for (auto& [variable, keys] : other.keys_) {
    Keys& into = keys_[variable];
    if (into.empty()) {
      into = std::move(keys);
    } else {
      into.insert(keys.begin(), keys.end());
    }
  }
}

size_t TouchedKeys::size() const {
  size_t keys = 0;
  for (const auto& [variable, of_variable] : keys_) {
    keys += of_variable.size();
  }
  return keys;
}

}  // namespace freshet
