#pragma once
#include "common/ids.h"
#include "common/status.h"
#include "common/version_log/version_log.h"
#include "coordinator/state_store.h"

namespace freshet::coordinator {

// Hands out version numbers, each larger than all before, committed or not, also after a crash and
// after the folder of a failed cut was removed: a server that still writes for a cut long given up
// must never write into the folder of another. One thread.
class VersionNumbers {
 public:
  // Both outlive this.
  VersionNumbers(StateStore& store, const VersionLog& log) : store_(store), log_(log) {}

  // Stored before it is answered. The same until it is used.
  StatusOr<VersionId> Next();

  // Somebody has heard of the number.
  void Use() { next_ = VersionId(0); }

 private:
  StateStore& store_;
  const VersionLog& log_;
  VersionId next_;  // 0: to be drawn
};

}  // namespace freshet::coordinator
