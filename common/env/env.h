#pragma once
#include "common/env/clock.h"
#include "common/env/file_system.h"
#include "common/env/random.h"
#include "common/rpc/rpc.h"

namespace freshet {

// What a role needs of the world. Borrowed: all four outlive the role.
struct Env {
  Clock& clock;
  Random& random;
  FileSystem& files;
  rpc::Transport& transport;
};

}  // namespace freshet
