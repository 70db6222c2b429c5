#pragma once
#include <memory>
#include <string>

#include "common/rpc/rpc.h"
#include "common/status.h"
#include "proto/control.pb.h"

namespace freshet::local {

// Asks the coordinator how far the run is. Thread-safety: one thread.
class Progress {
 public:
  // `transport` outlives it.
  Progress(rpc::Transport& transport, const std::string& coordinator);

  StatusOr<proto::StatusResponse> Ask();

 private:
  const std::unique_ptr<rpc::Channel> channel_;
};

// One line for people.
std::string ProgressLine(const proto::StatusResponse& status);

// Every stream has ended, and serving, where there is any, has the last version.
bool AllDone(const proto::StatusResponse& status);

}  // namespace freshet::local
