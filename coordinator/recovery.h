#pragma once
#include <cstdint>

#include "common/ids.h"
#include "common/status.h"
#include "coordinator/base_intake.h"
#include "coordinator/context.h"
#include "coordinator/intact_versions.h"
#include "coordinator/member_client.h"
#include "coordinator/version_numbers.h"
#include "proto/manifest.pb.h"

namespace freshet::coordinator {

// What a restore of the newest version reads.
struct ChainSize {
  uint32_t versions = 0;
  uint64_t base_bytes = 0;   // of the first
  uint64_t delta_bytes = 0;  // of the others

  void Add(const proto::Manifest& manifest);
};

ChainSize SizeOf(const std::vector<proto::Manifest>& chain);

// The newest version, as a session begins with it.
struct Restored {
  proto::Manifest head;  // its number is 0 if the log is empty
  ChainSize chain;
  uint64_t rows = 0;  // on all servers
};

// Brings a session's members to the newest version: all servers restore, then all workers start.
// One thread.
class Recovery {
 public:
  // All outlive this.
  Recovery(const Context& context, VersionNumbers& numbers, GiveUp give_up);

  // Any error: nobody trains; begin another epoch and try again. Aborted with "went back": the
  // newest version was damaged, and a rollback to the one before is committed, so that the next
  // try finds that.
  // With `base` the session begins with that instead, and builds on HeadOf. Then InvalidArgument:
  // the base cannot be had, nothing else is wrong.
  StatusOr<Restored> Run(const Session& session, const FoundBase* base = nullptr);

 private:
  StatusOr<Restored> Read(VersionId version) const;
  StatusOr<uint64_t> RestoreServers(const Session& session,
                                    VersionId version,
                                    const FoundBase* base);
  Status StartWorkers(const Session& session, const proto::Manifest& head);
  // Called when reading `version` failed with `error`. Returns why this try is over.
  Status GoBack(VersionId version, Epoch epoch, const Status& error);

  const Context& context_;
  VersionNumbers& numbers_;
  const GiveUp give_up_;
};

// Larger than every epoch stored, logged or spoken of; stored before it is answered.
StatusOr<Epoch> BeginEpoch(const Context& context, uint64_t largest_spoken_of);

// Removes the folders of versions that were never committed. Only while no server can be writing
// into one: after all have restored, or have ended the cut.
void RemoveLeftovers(const Context& context);

}  // namespace freshet::coordinator
