#pragma once
#include <cstdint>

#include "coordinator/board.h"
#include "coordinator/membership.h"
#include "proto/control.pb.h"

namespace freshet::coordinator {

// The answer to `freshetctl status`: the control thread's progress, and sums over the members' last
// reports.
proto::StatusResponse BuildStatus(const Progress& progress,
                                  const Membership& membership,
                                  int64_t now_unix_ms);

}  // namespace freshet::coordinator
