#pragma once
#include <cstdint>
#include <functional>

#include "common/env/file_system.h"
#include "common/ids.h"
#include "common/status.h"
#include "common/version_log/version_log.h"

// Makes a base of a version's chain, from its files alone: a base and the deltas since become one
// base, which replaces them all for whoever loads the version.
//
// The parts of the chain are read from the newest to the oldest, and of each row the first that is
// met is written. What has to be remembered meanwhile is the keys of the deltas, for one range of
// partitions after the other. Parts of several versions become one of about 32 MiB; after each,
// what is done is written down, so that another try begins there.
namespace freshet {

struct Compacted {
  uint64_t parts = 0;
  uint64_t parts_from_before = 0;  // that an earlier try had written
  uint64_t rows = 0;
  uint64_t bytes = 0;
};

// Gives `version`, a delta, a base of its own (VersionLog::CommitBase). `go_on` is called before
// each part is read: its error ends the try. Whoever removes versions leaves those of the chain
// alone meanwhile. FailedPrecondition: there are no deltas to roll up.
StatusOr<Compacted> Compact(FileSystem& files,
                            VersionLog& log,
                            VersionId version,
                            const std::function<Status()>& go_on);

// The newest version of the chain of `version` for which a try was begun and not ended; 0: none.
StatusOr<VersionId> UnfinishedCompaction(FileSystem& files,
                                         const VersionLog& log,
                                         VersionId version);

}  // namespace freshet
