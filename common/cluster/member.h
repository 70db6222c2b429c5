#pragma once
#include <functional>
#include <memory>
#include <string>

#include "common/env/env.h"
#include "common/status.h"
#include "proto/control.pb.h"

namespace freshet {

struct MemberOptions {
  proto::JoinRequest identity;  // role, rank, addresses, build; the instance is drawn here
  std::function<StatusOr<std::string>()> locate_coordinator;  // asked before each attempt to join
};

// Keeps a process a member of its cluster, from a thread of its own: joins, reports with every
// heartbeat, and joins again when the coordinator is new or has forgotten it.
class Member {
 public:
  // `report` is called on the member's thread. `env` outlives the member.
  Member(const Env& env, MemberOptions options, std::function<proto::MemberReport()> report);
  ~Member();

  // Sends a heartbeat at once, for news that should not wait.
  void ReportNow();

  // As the coordinator last said; false before. Thread-safety: any thread.
  bool training_finished() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace freshet
