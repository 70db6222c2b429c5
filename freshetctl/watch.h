#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "freshetctl/context.h"
#include "freshetctl/outcome.h"
#include "proto/control.pb.h"

namespace freshet::freshetctl {

// A state that a cluster can be waited for.
struct Goal {
  enum class Kind { kTraining, kFinished, kVersion, kServed };
  Kind kind = Kind::kTraining;
  uint64_t version = 0;  // at least this one is committed, or served by every node

  // training, finished, version=N, served=N; InvalidArgument for any other.
  static StatusOr<Goal> Parse(const std::string& text);
  bool ReachedBy(const proto::StatusResponse& status) const;
};

struct WatchOptions {
  std::optional<Goal> until;          // none: for ever
  std::optional<int64_t> timeout_ms;  // none: as long as it takes
  bool quiet = false;                 // shows nothing, only waits
};

// Shows the cluster live: in a terminal a block that is drawn again, else a line a second. Ends
// when the goal is reached, training by two looks; an error when the time is up, or when training
// is waited for and breaks off again and again. A coordinator that does not answer is asked again:
// it may be about to start.
Outcome Watch(const Context& context, const Target& target, const WatchOptions& options);

}  // namespace freshet::freshetctl
