#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "freshetctl/context.h"
#include "freshetctl/outcome.h"

namespace freshet::freshetctl {

struct EventsOptions {
  uint64_t after = 0;              // only those with a larger id
  std::vector<std::string> kinds;  // empty: all
  uint32_t limit = 50;
  bool follow = false;  // go on with what happens, until interrupted
  bool json = false;    // an object a line
};

// Shows what happened in a cluster, oldest first. Following survives a coordinator that is started
// again.
Outcome ShowEvents(const Context& context, const Target& target, const EventsOptions& options);

}  // namespace freshet::freshetctl
