#pragma once
#include <cstddef>

#include "common/status.h"
#include "serving/snapshot.h"

// What can be asked of a snapshot: its kind of model scores or does not, and has items or has none.
// Errors: InvalidArgument for what models of its kind never do; FailedPrecondition for want of
// items. A check needs a snapshot with a version, unless it says otherwise.
namespace freshet::serving {

// Items that one request may have scored.
inline constexpr size_t kMostCandidates = 10'000;

Status CheckScores(const Snapshot& snapshot);

// Also before the first version.
Status CheckItems(const Snapshot& snapshot);

Status CheckRecall(const Snapshot& snapshot);

// fm recalls its candidates; other models score every item.
Status CheckRecommend(const Snapshot& snapshot);

// How many items a recommendation chooses from; an error that says why there are none to choose
// from. Also before the first version.
StatusOr<size_t> RecommendableItems(const Snapshot& snapshot);

}  // namespace freshet::serving
