#pragma once
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "common/key.h"
#include "common/status.h"
#include "common/version_log/part_file.h"

namespace freshet {

// Of parts that are shown from the newest to the oldest, what no newer one has replaced: rows,
// candidates and blocks of the filter, by variable. Dense variables are left out.
// Thread-safety: one thread.
class NewestRows {
 public:
  // Adds what of `part` counts to `into`. DataLoss: columns that do not fit those there.
  Status Take(const PartContents& part, PartContents* into);

  // The same for a part than which there is no older one: nothing more is remembered.
  Status TakeOldest(const PartContents& part, PartContents* into) const;

  // A part whose rows have been taken before.
  void Pass(const PartContents& part);

 private:
  struct Seen {
    absl::flat_hash_set<Key> keys;
    absl::flat_hash_set<Key> candidates;
    absl::flat_hash_set<uint64_t> blocks;
  };

  absl::flat_hash_map<std::string, Seen> seen_;
};

}  // namespace freshet
