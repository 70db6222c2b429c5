#pragma once
#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "proto/control.pb.h"

namespace freshet::freshetctl {

// "training", "forming", ...
std::string PhaseName(proto::StatusResponse::Phase phase);

// The cluster as a block of lines. A negative rate is not known, and not shown.
std::vector<std::string> StatusLines(const proto::StatusResponse& status,
                                     double samples_per_second);

// The same on one line, key=value, for logs and pipes.
std::string StatusLine(const proto::StatusResponse& status, double samples_per_second);

// A row for each member.
void PrintMembers(const proto::StatusResponse& status, std::ostream& out);

}  // namespace freshet::freshetctl
