#pragma once
#include <cstdint>
#include <vector>

#include "coordinator/board.h"
#include "coordinator/membership.h"
#include "proto/control.pb.h"

namespace freshet::coordinator {

// The answer to `freshetctl status`: the control thread's progress, and sums over the members' last
// reports.
proto::StatusResponse BuildStatus(const Progress& progress,
                                  const Membership& membership,
                                  int64_t now_unix_ms);

// The version of the serving node that is furthest behind; 0 if none serves anything yet.
uint64_t OldestServed(const std::vector<proto::MemberStatus>& members);

}  // namespace freshet::coordinator
