#include "ps/count_check.h"

#include <algorithm>

namespace freshet::ps {
namespace {

bool IsBad(const KeyCount& count) {
  return !count.IsValid();
}

}  // namespace

Status CheckCounts(const proto::ModelSpec& model,
                   const proto::PushRequest& request,
                   std::span<const Key> keys,
                   std::span<const KeyCount> counts) {
  for (const proto::KeyRun& run : request.runs()) {
    const auto of_run = counts.first(run.keys());
    if (const auto bad = std::find_if(of_run.begin(), of_run.end(), IsBad); bad != of_run.end()) {
      return InvalidArgument(
          "push {} of worker {}: embedding variable {} has {} shows and {} clicks for key {:016x}, "
          "must be whole numbers, 1 <= shows <= 2^24 and 0 <= clicks <= shows",
          request.sequence(),
          request.worker(),
          model.embedding_variables(static_cast<int>(run.variable())).name(),
          bad->shows,
          bad->clicks,
          keys[static_cast<size_t>(bad - of_run.begin())]);
    }
    keys = keys.subspan(run.keys());
    counts = counts.subspan(run.keys());
  }
  return absl::OkStatus();
}

}  // namespace freshet::ps
