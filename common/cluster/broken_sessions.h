#pragma once
#include <cstdint>
#include <optional>

#include "common/status.h"
#include "proto/control.pb.h"

namespace freshet {

// Tells training that breaks off as soon as it begins, again and again, from one that goes on: what
// is wrong will not mend itself. Thread-safety: one thread.
class BrokenSessions {
 public:
  // To be asked with each status of the coordinator that was seen. FailedPrecondition, with the
  // reason, once there were too many: by then the coordinator waits long enough between two
  // sessions for the reason to be seen.
  Status Check(const proto::StatusResponse& status) {
    const uint64_t rewinds = status.rewinds();
    // A version is progress; and a coordinator that was started again counts from 0.
    if (!before_ || status.version() != version_ || rewinds < *before_) {
      before_ = rewinds;
      version_ = status.version();
    }
    if (status.phase() != proto::StatusResponse::RECOVERING || rewinds - *before_ < kMost) {
      return absl::OkStatus();
    }
    return FailedPrecondition("training begins and breaks off again and again: {}",
                              status.waiting_for());
  }

 private:
  static constexpr uint64_t kMost = 5;

  std::optional<uint64_t> before_;  // rewinds until the version came
  uint64_t version_ = 0;
};

}  // namespace freshet
