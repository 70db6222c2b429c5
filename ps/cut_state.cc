#include "ps/cut_state.h"

#include <utility>

namespace freshet::ps {

Status CutState::BeginFlip(uint64_t version) {
  const std::lock_guard lock(mutex_);
  if (phase_ != Phase::kNone) {
    return FailedPrecondition(
        "cut of version {}: the cut of version {} has not ended", version, version_);
  }
  if (writers_run_) {
    return FailedPrecondition(
        "cut of version {}: the files of version {}, given up, are still being written",
        version,
        version_);
  }
  phase_ = Phase::kFlipping;
  version_ = version;
  return absl::OkStatus();
}

void CutState::EndFlip(uint64_t version) {
  const std::lock_guard lock(mutex_);
  if (phase_ == Phase::kFlipping && version_ == version) {
    phase_ = Phase::kFlipped;
  }
}

StatusOr<std::optional<std::vector<proto::PartFile>>> CutState::BeginWrite(uint64_t version) {
  const std::lock_guard lock(mutex_);
  if (phase_ == Phase::kNone || version_ != version) {
    return FailedPrecondition("version {} cannot be written: it has no cut", version);
  }
  if (phase_ == Phase::kWritten) {
    return std::optional(parts_);
  }
  if (phase_ != Phase::kFlipped) {
    return FailedPrecondition("version {} cannot be written: {}",
                              version,
                              phase_ == Phase::kWriting ? "its writing has begun already"
                                                        : "its cut is not answered yet");
  }
  phase_ = Phase::kWriting;
  writers_run_ = true;
  return std::optional<std::vector<proto::PartFile>>();
}

Status CutState::EndWrite(uint64_t version, std::optional<std::vector<proto::PartFile>> parts) {
  const std::lock_guard lock(mutex_);
  writers_run_ = false;
  if (phase_ != Phase::kWriting || version_ != version) {
    return Aborted("the cut of version {} ended before it was written", version);
  }
  if (parts) {
    phase_ = Phase::kWritten;
    parts_ = *std::move(parts);
  }
  return absl::OkStatus();
}

StatusOr<bool> CutState::End(uint64_t version, bool committed) {
  const std::lock_guard lock(mutex_);
  if (phase_ == Phase::kNone || version_ != version) {
    if (committed && committed_ != version) {
      return FailedPrecondition("version {} cannot be committed: it has no cut", version);
    }
    return false;
  }
  if (committed && phase_ != Phase::kWritten) {
    return FailedPrecondition("version {} cannot be committed: it is not written", version);
  }
  phase_ = Phase::kNone;
  parts_.clear();
  committed_ = committed ? version : committed_;
  return true;
}

}  // namespace freshet::ps
