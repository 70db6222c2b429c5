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

// Commits a version that equals `target`: same rows, positions and metrics, a new number. Before
// the manifest's rename nothing has happened, after it all has: whoever looks for the newest
// version, the next recovery included, finds this one. Errors: those of CommitForSure.
StatusOr<proto::Manifest> CommitRollback(const Context& context,
                                         VersionNumbers& numbers,
                                         VersionId target,
                                         Epoch epoch);

}  // namespace freshet::coordinator
