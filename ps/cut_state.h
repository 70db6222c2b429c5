#pragma once
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "common/status.h"
#include "proto/ps.pb.h"

namespace freshet::ps {

// How far the cut of a session is. One cut at a time:
//
//   none --BeginFlip--> flipping --EndFlip--> flipped --BeginWrite--> writing --EndWrite--> written
//
// End leads from any of them to none. If the part files are still being written then, the next cut
// must wait for that. Thread-safety: any thread.
class CutState {
 public:
  // FailedPrecondition: there is a cut already.
  Status BeginFlip(uint64_t version);
  void EndFlip(uint64_t version);

  // The parts, if they are written already (the request is a repeated one); nothing if the caller
  // is to write them. FailedPrecondition: the version is not flipped, or being written already.
  StatusOr<std::optional<std::vector<proto::PartFile>>> BeginWrite(uint64_t version);
  // The writers have ended; without parts if they failed. Aborted: the cut ended before.
  Status EndWrite(uint64_t version, std::optional<std::vector<proto::PartFile>> parts);

  // True: the owner threads are to end the cut. False: nothing to do, it ended so before or never
  // began. FailedPrecondition: a version that is not written cannot be committed.
  StatusOr<bool> End(uint64_t version, bool committed);

 private:
  enum class Phase { kNone, kFlipping, kFlipped, kWriting, kWritten };

  std::mutex mutex_;
  // Under mutex_.
  Phase phase_ = Phase::kNone;
  uint64_t version_ = 0;  // of the cut, if there is one
  bool writers_run_ = false;
  std::vector<proto::PartFile> parts_;
  uint64_t committed_ = 0;  // the last version that was
};

}  // namespace freshet::ps
