#pragma once
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "common/key.h"
#include "common/version_log/key_set.h"

namespace freshet {

struct PartContents;

// Keys by embedding variable: those whose rows may differ.
// Thread-safety: any thread may ask while nobody adds.
class TouchedKeys {
 public:
  using Keys = KeySet;

  Keys& of(const std::string& variable) { return keys_[variable]; }

  // The keys and tombstones of a part (PartColumns::kKeys is enough), as far as `wants` says so.
  void Add(const PartContents& part, absl::FunctionRef<bool(Key)> wants);

  // Null: no key of the variable.
  const Keys* Find(const std::string& variable) const;

  // Also those of `other`.
  void Merge(TouchedKeys other);

  size_t size() const;

 private:
  absl::flat_hash_map<std::string, Keys> keys_;
};

}  // namespace freshet
