#pragma once
#include "common/ids.h"
#include "common/status.h"
#include "coordinator/context.h"
#include "coordinator/version_numbers.h"
#include "proto/manifest.pb.h"

namespace freshet::coordinator {

// Whether the model can go back to `target`. NotFound: not committed. FailedPrecondition: another
// model than the job's. DataLoss: damaged, and where.
Status CheckRollbackTarget(const Context& context, VersionId target);

// The newest version that today's was made from, and that knows nothing of this time or later: of
// event time, or, where the stream has none, of the time that versions were made.
StatusOr<VersionId> NewestBefore(const Context& context, int64_t unix_ms);

// What else changes with a rollback.
struct RollbackChanges {
  bool keep_positions = false;  // streams go on from where today's version is
  std::vector<proto::SkipRule> skips = {};
  bool forget_skips = false;
  bool stop = false;  // nothing is learned from there (training.early_stopping)
};

// Commits a version that equals `target`: same rows, positions and metrics, a new number; the rules
// of skipping are those of today. Before the manifest's rename nothing has happened, after it all
// has: whoever looks for the newest version, the next recovery included, finds this one. Errors:
// those of CommitForSure; DataLoss: positions are to be kept, and cannot be read.
StatusOr<proto::Manifest> CommitRollback(const Context& context,
                                         VersionNumbers& numbers,
                                         VersionId target,
                                         Epoch epoch,
                                         const RollbackChanges& changes = {});

}  // namespace freshet::coordinator
