#include "common/cluster/event_kinds.h"

#include <algorithm>

#include "common/config/nearest.h"

namespace freshet {

const std::vector<std::string>& EventKinds() {
  static const std::vector<std::string> kinds = {"base_caught_up", "base_found",
                                                 "base_refused",   "base_taken_in",
                                                 "compacted",      "compaction_failed",
                                                 "cut_failed",     "early_stopped",
                                                 "edit",           "epoch",
                                                 "finished",       "recovery_failed",
                                                 "refused",        "rejected",
                                                 "remove_failed",  "removed",
                                                 "rewind",         "rollback_failed",
                                                 "rolled_back",    "served",
                                                 "validated",      "version_committed",
                                                 "watermark"};
  return kinds;
}

Status CheckEventKinds(const std::vector<std::string>& kinds) {
  const std::vector<std::string>& known = EventKinds();
  for (const std::string& kind : kinds) {
    if (std::find(known.begin(), known.end(), kind) == known.end()) {
      return InvalidArgument("no event is of kind '{}'; {}", kind, Suggestion(kind, known));
    }
  }
  return absl::OkStatus();
}

}  // namespace freshet
