#pragma once
#include <memory>

#include "common/rpc/rpc.h"

namespace freshet::local {

// Servers that listen on TCP, so that freshetctl reaches them, and in this process, under the same
// address; channels stay inside the process. Thread-safety: any thread.
std::unique_ptr<rpc::Transport> MakeLocalTransport();

}  // namespace freshet::local
