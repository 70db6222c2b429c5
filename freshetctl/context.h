#pragma once
#include <istream>
#include <ostream>
#include <string>

#include "common/env/env.h"

namespace freshet::freshetctl {

// What a command needs of the world. Borrowed for the time of the command.
struct Context {
  const Env& env;
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  bool terminal = false;  // out is one: a line may be drawn again
};

// Where the cluster is, as the flags say. `config` serves for each of the others that is empty.
struct Target {
  std::string config;       // cluster file
  std::string coordinator;  // host:port
  std::string log_dir;
};

}  // namespace freshet::freshetctl
